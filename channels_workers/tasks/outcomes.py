"""What the metrics tell of the run of a task."""

from __future__ import annotations

from django.utils import timezone

from channels_workers import recorder
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.models import StoredTask

#: How runs end, as the label ``outcome`` says.
SUCCESSFUL, FAILED, RETRIED, OVERTAKEN = "successful", "failed", "retried", "overtaken"


def note_end(row: StoredTask) -> None:
    """Note that the task of *row* has ended, as its status says."""
    _note(row, SUCCESSFUL if row.status == TaskResultStatus.SUCCESSFUL else FAILED)


def note_retry(row: StoredTask) -> None:
    """Note that the task of *row* raised, and runs again."""
    _note(row, RETRIED)


def note_overtaken(row: StoredTask) -> None:
    """Note that another run has the task of *row*."""
    _note(row, OVERTAKEN)


def _note(row: StoredTask, outcome: str) -> None:
    if (found := recorder.current()) is None:
        return
    began = row.last_attempted_at
    seconds = None if began is None else (timezone.now() - began).total_seconds()
    found.tasks.ran(row.path, outcome, None if seconds is None else max(0.0, seconds))
