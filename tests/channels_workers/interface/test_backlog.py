"""Pending frames of one socket, and their counts in the backlog."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.interface.backlog import Backlog, Frame, PendingFrames


def frame(number: int) -> Frame:
    return Frame({"text": str(number)}, 10 + number, 100 + number)


def filled(count: int, backlog: Backlog | None = None) -> PendingFrames:
    """Pending frames, counted by *backlog* as a protocol does it."""
    pending = PendingFrames(backlog or Backlog())
    for number in range(count):
        pending.backlog.taken += frame(number).cost
        pending.append(frame(number))
    return pending


def orphaned(backlog: Backlog) -> tuple[int, int]:
    return backlog.orphaned_frames, backlog.orphaned_bytes


def test_frames_leave_in_order_and_count_until_a_worker_has_finished() -> None:
    pending = filled(2)
    assert (pending.size, pending.cost, pending.backlog.taken) == (21, 201, 201)
    assert pending.popleft() == frame(0)
    assert (pending.size, pending.cost, pending.backlog.taken) == (11, 101, 201)


def test_dropped_frames_no_longer_count() -> None:
    pending = filled(3)
    pending.drop_newest()
    assert list(pending.frames) == [frame(0), frame(1)]
    assert (pending.size, pending.cost, pending.backlog.taken) == (21, 201, 201)


@pytest.mark.parametrize(("count", "dropped"), [(0, 3), (2, 1), (3, 0), (5, 0)])
def test_the_newest_frames_are_dropped(count: int, dropped: int) -> None:
    pending = filled(3)
    assert pending.drop_all_but(count) == dropped
    assert list(pending.frames) == [frame(number) for number in range(3 - dropped)]


def test_frames_are_orphaned_once() -> None:
    backlog = Backlog()
    pending, other = filled(3, backlog), filled(1, backlog)
    assert orphaned(backlog) == (0, 0)
    for _ in range(2):
        pending.orphan()
        assert orphaned(backlog) == (3, 303)
    other.orphan()
    assert orphaned(backlog) == (4, 403)


@given(st.lists(st.sampled_from(["popleft", "drop_newest", "orphan"]), max_size=10))
def test_random_steps_keep_the_counts_correct(steps: list[str]) -> None:
    pending = filled(4)
    is_orphaned, in_flight = False, 0
    for step in steps:
        if step == "orphan" or pending.frames:
            taken = getattr(pending, step)()
            in_flight += taken.cost if taken else 0
            is_orphaned = is_orphaned or step == "orphan"
    assert pending.cost == sum(one.cost for one in pending.frames)
    assert pending.size == sum(one.size for one in pending.frames)
    assert pending.backlog.taken == pending.cost + in_flight
    left = (len(pending.frames), pending.cost) if is_orphaned else (0, 0)
    assert orphaned(pending.backlog) == left
