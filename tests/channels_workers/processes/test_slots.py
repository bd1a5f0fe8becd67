import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from channels_workers.processes.child import Child
from channels_workers.processes.slots import ATTEMPTS, LONGEST_PAUSE, SETTLED, Slot


@pytest.fixture
def child() -> Iterator[Child]:
    process = subprocess.Popen(["true"])
    ours, theirs = socket.socketpair()
    with theirs:
        yield Child(1, process, ours)
        process.wait()
        ours.close()


def test_pauses_grow_up_to_a_limit(child: Child) -> None:
    slot = Slot(1)
    pauses = [slot.note_end(child) for _ in range(7)]
    assert pauses == [1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]
    assert slot.failed_starts == 7 > ATTEMPTS
    assert slot.start_at > time.monotonic() + LONGEST_PAUSE - 10


def test_a_process_that_was_ready_has_not_failed_to_start(child: Child) -> None:
    slot = Slot(1)
    slot.note_end(child)
    child.is_ready = True
    slot.note_ready()
    assert slot.note_end(child) == 2
    assert slot.failed_starts == 0


def test_the_next_one_starts_at_once_after_one_that_has_run_for_long(child: Child) -> None:
    slot = Slot(1)
    slot.note_end(child)
    child.is_ready = True
    child.began -= SETTLED
    assert slot.note_end(child) == 0
    assert slot.start_at <= time.monotonic()
    child.is_ready = False
    assert slot.note_end(child) == 1
