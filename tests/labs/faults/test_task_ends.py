"""The comparison of messages with tasks finds each kind of damage."""

from typing import Any

from labs.faults.task_ends import Found, find
from labs.faults.tasks_site import Task
from labs.harness.crowd.transcript import Person, Said, Transcript, Visit

KEY = "r0s0.0"


def ended(number: int, **other: Any) -> Task:
    """Return a task that has ended, with *other* values."""
    usual = {"status": "SUCCESSFUL", "attempts": 1, "runs": 1, "late": False, "ends": 1}
    return Task(f"id of {number}", KEY, number, **usual | other)


def compare(*tasks: Task) -> Found:
    """Compare them with two messages."""
    said = [Said(number, float(number)) for number in range(2)]
    person = Person("r0s0", "room0", False, said, [Visit(KEY, 0, 0.0, joined=0.0)])
    return find(Transcript([person]), tasks)


def test_all_is_well() -> None:
    assert compare(ended(0), ended(1)) == Found([], [])


def test_a_worker_may_die_between_the_end_and_what_it_tells() -> None:
    assert compare(ended(0, ends=0), ended(1, attempts=2, runs=2)) == Found([], [])


def test_a_message_without_a_task() -> None:
    assert compare(ended(0)).lost == ["r0s0 1 is no task"]


def test_a_task_that_has_not_ended() -> None:
    assert compare(ended(0), ended(1, status="READY", runs=0, ends=0)).lost == [
        "the task of r0s0.0 1 is READY after 0 runs"
    ]


def test_a_task_that_ended_without_a_run() -> None:
    assert compare(ended(0), ended(1, runs=0)).lost == [
        "the task of r0s0.0 1 is SUCCESSFUL after 0 runs"
    ]


def test_what_happened_twice() -> None:
    found = compare(ended(0, ends=2), ended(1, runs=2, late=True), ended(1))
    assert found.twice == [
        "r0s0 1 is 2 tasks",
        "the task of r0s0.0 0 ended 2 times",
        "the task of r0s0.0 1 began again after its end",
    ]
    assert found.lost == []
