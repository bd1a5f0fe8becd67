"""Compares the messages of a crowd with the tasks that they became."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labs.faults.tasks_site import Task
from labs.harness.crowd.hearing import find_accepted
from labs.harness.crowd.transcript import Transcript


@dataclass(frozen=True)
class Found:
    """The differences. Each entry names a message or a task."""

    lost: list[str]
    twice: list[str]


def find(transcript: Transcript, tasks: Sequence[Task]) -> Found:
    """Compare. Each accepted message has one task, which has run, and has ended once."""
    stored = Counter((task.key.partition(".")[0], task.number) for task in tasks)
    accepted = find_accepted(transcript, {(task.key, task.number) for task in tasks})
    return Found(
        [
            *(f"{name} {number} is no task" for name, number in accepted - stored.keys()),
            *(
                f"the task of {task.key} {task.number} is {task.status} after {task.runs} runs"
                for task in tasks
                if task.status != "SUCCESSFUL" or not task.runs
            ),
        ],
        [
            *(
                f"{name} {number} is {count} tasks"
                for (name, number), count in stored.items()
                if count > 1
            ),
            *(
                f"the task of {task.key} {task.number} ended {task.ends} times"
                for task in tasks
                if task.ends > 1
            ),
            *(
                f"the task of {task.key} {task.number} began again after its end"
                for task in tasks
                if task.late
            ),
        ],
    )
