"""Looks after the rows of tasks; every worker process does this."""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import timedelta

from django.db import connections
from django.utils import timezone

from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import ChannelFull, MessageError, TaskLost
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import DeadLetter
from channels_workers.logs import fields
from channels_workers.tasks import rows
from channels_workers.tasks.backend import TaskBackend, our_backends
from channels_workers.tasks.channels import PREFIX
from channels_workers.tasks.firing import fire_due

logger = logging.getLogger(__name__)

#: The pause between two looks (s), and between two that also sweep.
PAUSE, SWEEP_PAUSE = 10.0, 60.0

#: For how long a task is left to its sender (s).
UNSENT_AFTER = 10.0

#: Rows that one statement deletes.
BATCH = 1_000


class Keeper:
    """A thread that looks after the rows until *stopping* is set.

    It enqueues scheduled tasks, and sends tasks that were committed and not sent. It deletes the
    rows of tasks that finished longer ago than ``RESULTS_KEPT``, and ends tasks whose message is a
    dead letter of *layer*. Several processes do so side by side.
    """

    def __init__(self, layer: WorkerLayer, stopping: threading.Event) -> None:
        self._layer = layer
        self._stopping = stopping
        self._swept_at = -math.inf  # monotonic seconds
        self.thread = Duty("tasks", self._run)

    def _run(self) -> None:
        attempts = Backoff(logger, "Looking after the rows of tasks", PAUSE)
        while not self._stopping.is_set():
            try:
                wait = self.look(time.time())
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                wait = attempts.failed(error)
            else:
                attempts.succeeded()
            finally:
                connections.close_all()
            self._stopping.wait(wait)

    def look(self, now: float) -> float:
        """Do what is due at *now*, in seconds since 1970; return how long to wait for more (s)."""
        send_unsent()
        if time.monotonic() - self._swept_at >= SWEEP_PAUSE:
            self.sweep()
            self._swept_at = time.monotonic()
        due = min((fire_due(backend, now) for backend in our_backends()), default=math.inf)
        return min(PAUSE, max(0.0, due - time.time()))

    def sweep(self) -> None:
        """End lost tasks, and delete old rows."""
        for letter in self._layer.admin.dead_letters():
            if letter.message.channel.startswith(PREFIX) and not letter.is_unreadable:
                self._end(letter)
        for backend in our_backends():
            while delete_old(backend) == BATCH and not self._stopping.is_set():
                pass

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


def send_unsent() -> None:
    """Send tasks whose sender was killed between its commit and the message, or could not send."""
    full: ChannelFull | None = None
    for row in rows.take_unsent(timezone.now() - timedelta(seconds=UNSENT_AFTER), BATCH):
        try:
            rows.send_now(row)
        except ChannelFull as error:  # of this queue; it is tried again later
            full = error
        else:
            rows.note_sent(row)
    if full is not None:
        raise full


def delete_old(backend: TaskBackend) -> int:
    """Delete up to BATCH rows of *backend* older than ``RESULTS_KEPT``; return how many."""
    limit = timezone.now() - timedelta(seconds=backend.settings.RESULTS_KEPT)
    old = rows.all_tasks().filter(backend=backend.alias, finished_at__lt=limit)
    keys = list(old.order_by("finished_at").values_list("pk", flat=True)[:BATCH])
    if keys:
        rows.all_tasks().filter(pk__in=keys).delete()
    return len(keys)
