"""The rooms with tasks and a real PostgreSQL, as the target of faults."""

from __future__ import annotations

import sys
from collections import Counter
from typing import ClassVar, NamedTuple

from labs.faults.once_site import OnceSite

#: What tasks record themselves. No key keeps a second run or end from being recorded.
TABLES = """CREATE TABLE run (task uuid);
CREATE TABLE finish (task uuid, status text);
CREATE INDEX ON run (task);
CREATE INDEX ON finish (task)"""

QUERY = """SELECT id::text, args->>1, (args->2->>'number')::int, status, attempts,
    (SELECT count(*) FROM run WHERE task = id),
    coalesce(last_attempted_at > finished_at, false),
    (SELECT count(*) FROM finish WHERE task = id)
FROM channels_workers_tasks_storedtask ORDER BY enqueued_at"""


class Task(NamedTuple):
    """A stored task: the visit and the number of its message, and what became of it.

    *late*: its last attempt began after its end. That of a frozen worker began before, even if its
    function runs after the end. *ends* counts how often a worker said that it has ended.
    """

    id: str
    key: str
    number: int
    status: str
    attempts: int
    runs: int
    late: bool
    ends: int


class TasksSite(OnceSite):
    """Runs ``application.with_tasks`` on PostgreSQL."""

    application: ClassVar[str] = "with_tasks"
    tables = TABLES

    def tasks(self) -> list[Task]:
        """Return all tasks, in the order in which they were enqueued."""
        return [Task(*row) for row in self.ask(QUERY)]

    def statuses(self) -> Counter[str]:
        """Return how many tasks have each status."""
        query = "SELECT status, count(*) FROM channels_workers_tasks_storedtask GROUP BY status"
        return Counter(dict(self.ask(query)))

    def unfinished(self) -> int:
        """Return how many tasks have not ended."""
        found = self.statuses()
        return found["READY"] + found["RUNNING"]

    def delayed(self) -> int:
        """Return how many tasks were enqueued to run later."""
        query = "SELECT 1 FROM channels_workers_tasks_storedtask WHERE run_after IS NOT NULL"
        return len(self.ask(query))

    def runs_twice(self) -> list[str]:
        """Return the tasks whose SQL was committed more than once."""
        query = "SELECT task::text FROM run GROUP BY task HAVING count(*) > 1"
        return [task for (task,) in self.ask(query)]

    def manage(self, *command: str) -> None:
        """Run a command of ``manage.py``, as an operator would."""
        self.run(sys.executable, "-m", "django", *command)


class OnceTasksSite(TasksSite):
    """The same with ``@once`` on the tasks: what they record is part of their transaction."""

    application = "with_once_tasks"
