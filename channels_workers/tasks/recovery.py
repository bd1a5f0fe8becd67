"""What operators do to tasks, for the command and the admin: find them, and run them again."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import Error as DatabaseTrouble
from django.db.models import QuerySet

from channels_workers.exceptions import ChannelError
from channels_workers.tasks import rows
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.models import StoredTask

#: How many rows are read at a time.
BATCH = 1_000


def in_batches(found: QuerySet[StoredTask]) -> Iterator[StoredTask]:
    """Yield all rows of *found*, which the caller may change or delete; none twice."""
    ordered, last = found.order_by("pk"), None
    while batch := list(ordered.filter(pk__gt=last)[:BATCH] if last else ordered[:BATCH]):
        yield from batch
        last = batch[-1].pk


def run_again(row: StoredTask, *, is_lost: bool = False) -> str:
    """Let the task of *row* run again under its id; return what becomes of it, for people.

    It keeps its errors. Its retries are not renewed. One that succeeded does not run again, and one
    that is running only if it *is_lost*.
    """
    if row.status == TaskResultStatus.SUCCESSFUL:
        return "has succeeded, and does not run again"
    if row.status == TaskResultStatus.RUNNING and not is_lost:
        return "is running, and is left alone"
    if not rows.reset(row):
        return "changed meanwhile, and is left alone"
    try:
        rows.send_now(row)
        rows.note_sent(row)
    except (ChannelError, DatabaseTrouble) as error:
        return f"will be sent again by a worker: {error}"
    return "is sent again"


def drop(row: StoredTask) -> str:
    """Delete *row*; return what becomes of it, for people. A task that runs stays."""
    if row.status == TaskResultStatus.RUNNING:
        return "is running, and is left alone"
    same = rows.all_tasks().filter(pk=row.pk, attempts=row.attempts, status=row.status)
    return "is dropped" if same.delete()[0] else "changed meanwhile, and is left alone"


def last_error(row: StoredTask) -> str:
    """Return the last line of the last traceback of *row*."""
    if not row.errors:
        return ""
    lines = row.errors[-1]["traceback"].strip().splitlines()
    return lines[-1] if lines else ""
