"""Looks after the rows of tasks; every worker process does this."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from django.db import connections
from django.utils import timezone

from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import MessageError, TaskLost
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import DeadLetter
from channels_workers.logs import fields
from channels_workers.tasks import rows
from channels_workers.tasks.api import task_backends
from channels_workers.tasks.backend import TaskBackend
from channels_workers.tasks.channels import PREFIX
from channels_workers.tasks.models import StoredTask

logger = logging.getLogger(__name__)

#: The pause between two looks (s).
PAUSE = 60.0

#: Rows that one statement deletes.
BATCH = 1_000


class Keeper:
    """A thread that looks after the rows until *stopping* is set.

    It deletes the rows of tasks that finished longer ago than ``RESULTS_KEPT``, and ends tasks
    whose message is a dead letter of *layer*. Several processes do so side by side.
    """

    def __init__(self, layer: WorkerLayer, stopping: threading.Event) -> None:
        self._layer = layer
        self._stopping = stopping
        self.thread = Duty("tasks", self._run)

    def _run(self) -> None:
        attempts = Backoff(logger, "Looking after the rows of tasks", PAUSE)
        while not self._stopping.is_set():
            wait = PAUSE
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                wait = attempts.failed(error)
            else:
                attempts.succeeded()
            finally:
                connections.close_all()
            self._stopping.wait(wait)

    def look(self) -> None:
        """End lost tasks, and delete old rows."""
        for letter in self._layer.admin.dead_letters():
            if letter.message.channel.startswith(PREFIX) and not letter.is_unreadable:
                self._end(letter)
        for alias in task_backends:
            backend = task_backends[alias]
            while isinstance(backend, TaskBackend) and not self._stopping.is_set():
                if delete_old(backend) < BATCH:
                    break

    def _end(self, letter: DeadLetter) -> None:
        message = letter.message
        try:
            row = rows.find(self._layer.content(message)["task"])
        except (MessageError, KeyError, TypeError):
            return  # no message of ours
        # A message that was never begun has no id in the row yet.
        if row is None or row.is_finished or row.message_id not in ("", message.id):
            return
        if rows.fail(row, rows.error_of(TaskLost(letter.reason), letter.reason)):
            text = "Task %s, %s, has failed: its message is a dead letter, %s"
            extra = fields("task_lost", channel=message.channel, message_id=message.id)
            logger.error(text, row.id, row.path, letter.reason, extra=extra)


def delete_old(backend: TaskBackend) -> int:
    """Delete up to BATCH rows of *backend* older than ``RESULTS_KEPT``; return how many."""
    limit = timezone.now() - timedelta(seconds=backend.settings.RESULTS_KEPT)
    old = StoredTask.objects.filter(backend=backend.alias, finished_at__lt=limit)
    keys = list(old.order_by("finished_at").values_list("pk", flat=True)[:BATCH])
    if keys:
        StoredTask.objects.filter(pk__in=keys).delete()
    return len(keys)
