"""Rooms whose messages become tasks, while workers and Redis get into trouble."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from labs.faults.cases.chat import chance
from labs.faults.cases.moments import dead, freeze_at, kill_at, people
from labs.faults.row import Limits
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.faults.tasks_fault import TasksFault, tasks_site_of
from labs.faults.tasks_site import OnceTasksSite, TasksSite
from labs.harness.crowd.transcript import Transcript
from labs.harness.site import WORKER_READY
from labs.harness.waiting import wait_for

#: The moments of a task; see ``application/with_tasks/trouble.py``.
MOMENTS = ("begun", "inside", "ended")

#: For how long tasks wait that are to be lost with Redis (s): longer than all steps before it.
LATER = 30.0

#: The documented commands: for tasks that waited, and for those that ran.
SEND_AGAIN = (
    ("tasks", "retry", "all", "--status", "READY"),
    ("tasks", "retry", "all", "--status", "RUNNING"),
)

#: Time-out until everybody but those has an echo (s).
SILENCE = 3.0


class TasksKilled(TasksFault):
    """SIGKILL to workers at each moment of a task, and at random ones."""

    name = "tasks-killed"
    description = (
        "kill -9 of a worker at the begin, inside and at the end of a task, and at random moments, "
        "12 times (quick: 4)"
    )

    def inject(self, stage: Stage) -> None:
        """Kill one, start another, wait a while."""
        kill_at(MOMENTS, stage)

    def least_again(self, size: Size) -> int:
        """Return one for each round: the task whose worker was killed inside."""
        return int(size.choose(3, 1))


class TasksOnceKilled(TasksKilled):
    """The same with ``@once`` on the tasks: their SQL happens once too."""

    name = "tasks-once-killed"
    description = (
        "kill -9 of a worker at the begin, inside and at the end of a task with @once, after its "
        "COMMIT, and at random moments, 15 times (quick: 5)"
    )

    def inject(self, stage: Stage) -> None:
        """Kill one at each moment, also right after the COMMIT of a task."""
        kill_at((*MOMENTS, "committed"), stage)

    def site(self, folder: Path, engine: Path) -> TasksSite:
        """Run the rooms whose tasks have ``@once``."""
        return OnceTasksSite(folder, self.setting(folder), engine)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Count attempts, as a run that was killed has recorded nothing."""
        site = tasks_site_of(stage)
        tasks = site.tasks()
        again = sum(task.attempts > 1 for task in tasks)
        stage.note(f"{len(tasks)} tasks enqueued, {again} of them began again")
        least = self.least_again(stage.size)
        stage.expect(again >= least, f"{again} tasks began again, at least {least}")
        twice = site.runs_twice()
        stage.expect(not twice, f"the SQL of {len(twice)} tasks happened twice: {twice[:3]}")


class TasksFrozen(TasksFault):
    """SIGSTOP to a worker at each moment of a task, SIGCONT after others have run its tasks."""

    name = "tasks-frozen"
    description = "SIGSTOP to a worker at the begin, inside and at the end of a task, 12 s each"

    def inject(self, stage: Stage) -> None:
        """Freeze one after the other."""
        freeze_at(MOMENTS, stage, self)

    def least_again(self, size: Size) -> int:
        """Return one: the task whose worker was frozen inside."""
        return 1


class TasksUnsent(TasksFault):
    """SIGKILL to the process that enqueues, after its COMMIT and before the task is sent."""

    name = "tasks-unsent"
    description = (
        "kill -9 of the process that enqueues a task, between its COMMIT and the send, 6 times "
        "(quick: 2)"
    )
    # Workers look every 10 s for tasks that have not been sent for 10 s.
    limits = Limits(disordered=None, seconds=30)

    def inject(self, stage: Stage) -> None:
        """Kill one, start another."""
        rounds = int(stage.size.choose(6, 2))
        for speaker in islice(people(stage), rounds):
            stage.traffic.order(speaker, when="unsent")
            wait_for(lambda: dead(stage), "a worker that is killed: unsent")
            stage.mark_fault()
            stage.site.replace_dead_workers()
            stage.hold(chance.uniform(0.2, 3))


class TasksRedisEmptied(TasksFault):
    """Redis and all workers are killed while tasks wait and run, and it comes back empty."""

    name = "tasks-redis-emptied"
    description = (
        "Redis and all workers are killed while 4 tasks are delayed and 4 run, Redis comes back "
        "empty, and the tasks are sent again by the documented commands"
    )
    limits = Limits(disordered=None, seconds=40)
    calm_timeout = 60.0

    def inject(self, stage: Stage) -> None:
        """Let tasks wait and run, kill all, send again."""
        site, speakers = tasks_site_of(stage), people(stage)
        for _ in range(4):
            stage.traffic.order(next(speakers), when="later", seconds=LATER)
            stage.traffic.order(next(speakers), when="inside", do="hold")
        wait_for(lambda: site.statuses()["RUNNING"] >= 4, "tasks that run")
        wait_for(lambda: site.delayed() >= 4, "tasks that wait")
        stage.traffic.fall_silent(SILENCE)  # what Redis loses of others is the row redis-emptied
        wait_for(lambda: site.unfinished() == 8, "the end of all other tasks")
        stage.mark_fault()
        for worker in site.workers:
            worker.kill()
        site.redis.process.kill()
        site.redis.start()
        stage.mark_fault()
        lost = site.statuses()
        stage.note(f"{lost['READY']} READY and {lost['RUNNING']} RUNNING tasks were lost in Redis")
        stage.expect((lost["READY"], lost["RUNNING"]) == (4, 4), "these are not 4 and 4")
        for command in SEND_AGAIN:
            site.manage(*command)
        stage.count_from_now()
        site.replace_dead_workers()
        for worker in site.workers:
            worker.wait_for_line(WORKER_READY)

    def least_again(self, size: Size) -> int:
        """Return the number of tasks that ran."""
        return 4
