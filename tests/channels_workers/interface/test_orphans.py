"""What is kept of a client that has left."""

from typing import Any

import pytest

from channels_workers.conf import Configuration
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.orphans import bound_orphans
from tests.channels_workers.interface.test_backlog import filled, frame, orphaned


def test_within_the_limits_all_frames_are_kept() -> None:
    pending = filled(3)
    assert not any(bound_orphans(pending, Configuration()).values())
    assert orphaned(pending.backlog) == (3, 303)


def test_the_first_frames_of_one_client_are_kept() -> None:
    pending = filled(3)
    assert bound_orphans(pending, Configuration(LEFT_FRAMES=2)) == {"LEFT_FRAMES": 1}
    assert list(pending.frames) == [frame(0), frame(1)]
    assert orphaned(pending.backlog) == (2, 201)


@pytest.mark.parametrize(
    ("setting", "limit"), [("LEFT_FRAMES_WAITING", 5), ("LEFT_FRAME_BYTES_WAITING", 605)]
)
def test_at_a_limit_for_all_clients_the_last_one_loses_its_frames(setting: str, limit: int) -> None:
    backlog = Backlog()
    limits: Any = {setting: limit}
    bound_orphans(filled(3, backlog), Configuration(**limits))
    last = filled(3, backlog)
    assert bound_orphans(last, Configuration(**limits)) == {"LEFT_FRAMES": 0, setting: 3}
    assert not last.frames
    assert (backlog.taken, *orphaned(backlog)) == (303, 3, 303)


def test_frames_may_fill_the_limits_for_all_clients() -> None:
    backlog = Backlog()
    limits = Configuration(LEFT_FRAMES_WAITING=6, LEFT_FRAME_BYTES_WAITING=606)
    for pending in (filled(3, backlog), filled(3, backlog)):
        assert bound_orphans(pending, limits) == {"LEFT_FRAMES": 0}
    assert orphaned(backlog) == (6, 606)
