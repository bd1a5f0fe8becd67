"""How many messages a thread pulls at once."""

import threading
import time
from typing import NamedTuple

from channels_workers.worker import pace as pace_module
from channels_workers.worker.pace import Pace, look_at_thread


def test_one_message_is_pulled_at_first() -> None:
    assert Pace().count == 1


def test_quick_consumers_get_growing_batches() -> None:
    pace, counts = Pace(), []
    for _ in range(1_000):
        pace.note(0.00001)
        counts.append(pace.count)
    assert counts == sorted(counts)
    assert counts[-1] == pace_module.BATCH_SIZE


def test_after_a_slow_run_one_message_is_pulled() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00001)
    pace.note(1.0)
    assert pace.count == 1


def test_a_slow_first_run_is_soon_forgotten() -> None:
    """A consumer imports and connects in its first run."""
    pace = Pace()
    pace.note(0.05)
    for _ in range(150):
        pace.note(0.0001)
    assert pace.count > 1


def test_a_later_slow_run_is_remembered() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.0001)
    pace.note(0.05)
    for _ in range(150):
        pace.note(0.0001)
    assert pace.count == 1


def test_a_wait_for_the_layer_counts_as_a_part_of_a_run() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00051, waited=0.0005)
    assert pace.count == 3


def test_a_late_answer_of_the_layer_leaves_batches_as_they_are() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00011, waited=0.0001)
    count = pace.count
    pace.note(1.00001, waited=1.0)
    assert pace.count > count * 0.8
    for _ in range(100):
        pace.note(0.00011, waited=0.0001)
    assert pace.count == count


def test_joins_that_wait_at_once_count_no_time_twice() -> None:
    """Coroutines of one consumer may wait together for longer than it runs."""
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.0001, waited=0.0002)
    assert pace.count == 9


def test_a_layer_that_becomes_slow_ends_batches() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00001)
    for _ in range(200):
        pace.note(0.00501, waited=0.005)
    assert pace.count == 1


class Usage(NamedTuple):
    """How often a thread has waited, and its CPU time."""

    ru_nvcsw: int
    ru_utime: float
    ru_stime: float = 0.5


class Looks:
    """Usages of a thread, one for each look."""

    def __init__(self, *usages: Usage) -> None:
        self.usages = list(usages)

    def __call__(self) -> Usage:
        return self.usages.pop(0)


def quick(looks: Looks) -> Pace:
    """A pace after many quick runs, with a look before the next one."""
    pace = Pace(looks)
    for _ in range(1_000):
        pace.note(0.0001)
    pace.look()
    return pace


def test_a_run_that_only_lacked_the_cpu_leaves_batches_as_they_are() -> None:
    pace = quick(Looks(Usage(5, 1.0), Usage(5, 1.0002)))
    count = pace.count
    pace.note(0.05)
    assert pace.count == count > 1


def test_a_run_that_waited_ends_batches() -> None:
    pace = quick(Looks(Usage(5, 1.0), Usage(6, 1.0002)))
    pace.note(0.05)
    assert pace.count == 1


def test_a_run_that_computed_ends_batches() -> None:
    pace = quick(Looks(Usage(5, 1.0), Usage(5, 1.04)))
    pace.note(0.05)
    assert pace.count == 1


def test_a_second_slow_run_is_judged_from_the_first_one_on() -> None:
    """The first one has waited; the second one has not."""
    pace = quick(Looks(Usage(5, 1.0), Usage(6, 1.0002), Usage(6, 1.0004)))
    pace.note(0.05)
    slow = pace.count
    pace.note(0.05)
    assert pace.count == slow == 1


def test_the_system_tells_waits_and_cpu_time() -> None:
    look = look_at_thread()
    assert look is not None, "This system does not count the waits of threads."
    before = look()
    threading.Event().wait(0.001)
    waited = look()
    assert waited.ru_nvcsw > before.ru_nvcsw
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        pass
    worked = look()
    assert worked.ru_utime + worked.ru_stime > waited.ru_utime + waited.ru_stime
