"""Faults of the rooms with tasks: each message becomes a task, which ends once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labs.faults import endings, task_ends
from labs.faults.diaries import read_runs
from labs.faults.once_fault import OnceFault
from labs.faults.row import Limits
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.faults.tasks_site import TasksSite
from labs.harness.crowd import hearing
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript

#: Time-out until all tasks have ended, once nobody talks (s).
ENDS = 40.0


class TasksFault(OnceFault):
    """Each message is enqueued once, its task ends once, and the room hears it once.

    Tasks have no order.
    """

    limits = Limits(disordered=None, seconds=20)

    def site(self, folder: Path, engine: Path) -> TasksSite:
        """Run the rooms with tasks."""
        return TasksSite(folder, self.setting(folder), engine)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """40 messages a second, each of which is a task too."""
        return Plan(servers, int(size.choose(8, 4)), size.each, size.choose(1.0, 0.5))

    def check(self, stage: Stage) -> None:
        """Wait for the ends of all tasks, and check what is left in Redis."""
        site = tasks_site_of(stage)
        stage.expect_soon(
            lambda: not site.unfinished(),
            lambda: f"the end of all tasks; there are {dict(site.statuses())}",
            ENDS,
        )
        super().check(stage)

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Compare messages, tasks and what rooms heard."""
        tasks, runs = tasks_site_of(stage).tasks(), read_runs(stage.site.folder)
        finished = {(task.key, task.number) for task in tasks}
        yield hearing.find(transcript, stage.since, finished=finished)
        yield endings.find(transcript, runs, stage.moments)
        yield task_ends.find(transcript, tasks)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Count."""
        tasks = tasks_site_of(stage).tasks()
        ended = sum(task.status == "SUCCESSFUL" for task in tasks)
        again = sum(task.runs > 1 for task in tasks)
        stage.note(f"{len(tasks)} tasks enqueued, {ended} ended, {again} of them ran again")
        least = self.least_again(stage.size)
        stage.expect(again >= least, f"{again} tasks ran again, at least {least}")

    def least_again(self, size: Size) -> int:
        """Return how many tasks must run again, so that the fault has hit runs."""
        return 0


def tasks_site_of(stage: Stage) -> TasksSite:
    """Return the site, which has tasks."""
    assert isinstance(stage.site, TasksSite)
    return stage.site
