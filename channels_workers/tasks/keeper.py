"""Looks after the rows of tasks; every worker process does this."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db import connections
from django.utils import timezone

from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable, MessageError, TaskLost
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import TASKS, DeadLetter
from channels_workers.logs import fields
from channels_workers.tasks import rows
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.backend import TaskBackend, our_backends
from channels_workers.tasks.firing import Memory, fire_due, next_due

logger = logging.getLogger(__name__)

#: The pause between two looks (s), and between two that also sweep.
PAUSE, SWEEP_PAUSE = 10.0, 60.0

#: For how long a task is left to its sender (s).
UNSENT_AFTER = 10.0

#: Rows that one statement deletes.
BATCH = 1_000

#: For how long the layer must have answered until what tasks have sent is deleted (s), and for how
#: long a sweep that comes late makes up for those before it.
CALM, MADE_UP = 300.0, 3600.0


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
        self._answers_since = math.inf  # the same, of the layer
        self._due = math.inf  # of the next schedule, in seconds since 1970
        self._memories: dict[str, Memory] = {}  # by the alias of a backend
        self.thread = Duty("tasks", self._run)

    def _run(self) -> None:
        attempts = Backoff(logger, "Looking after the rows of tasks", PAUSE)
        while not self._stopping.is_set():
            try:
                self.look(time.time())
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                wait = attempts.failed(error)
            else:
                attempts.succeeded()
                wait = PAUSE
            finally:
                connections.close_all()
            self._stopping.wait(min(wait, max(0.0, self._due - time.time())))

    def look(self, now: float) -> None:
        """Do what is due at *now*, in seconds since 1970.

        Raises the first error when all has had its turn: a full queue must not stop schedules.
        """
        self._due = math.inf
        steps: list[Callable[[], None]] = [
            *(partial(self._fire, backend, now) for backend in our_backends()),
            send_unsent,
            self._sweep_at_times,
        ]
        errors: list[Exception] = []
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001  (raised below)
                errors.append(error)
        if errors:
            raise errors[0]

    def _fire(self, backend: TaskBackend, now: float) -> None:
        self._due = min(self._due, next_due(backend, now))
        fire_due(backend, now, self._memories.setdefault(backend.alias, {}))

    def _sweep_at_times(self) -> None:
        if time.monotonic() - self._swept_at >= SWEEP_PAUSE:
            self.sweep()
            self._swept_at = time.monotonic()

    def sweep(self) -> None:
        """End lost tasks, and delete old rows."""
        for letter in self._dead_letters():
            if letter.message.channel.startswith(TASKS) and not letter.is_unreadable:
                self._end(letter)
        for backend in our_backends():
            while delete_old(backend) == BATCH and not self._stopping.is_set():
                pass
        if time.monotonic() - self._answers_since >= CALM:
            forget_effects()

    def _dead_letters(self) -> list[DeadLetter]:
        try:
            found = self._layer.admin.dead_letters()
        except BaseException:
            self._answers_since = math.inf
            raise
        self._answers_since = min(self._answers_since, time.monotonic())
        return found

    def _end(self, letter: DeadLetter) -> None:
        message = letter.message
        try:
            content = self._layer.content(message)
            row, failures = rows.find(content["task"]), content["failures"]
        except (MessageError, KeyError, TypeError):
            return  # no message of ours
        if row is None or row.is_finished:
            return
        # A message that was never begun has no id in the row yet.
        is_next = row.status == TaskResultStatus.READY and row.failures == failures
        if not is_next and row.message_id != message.id:
            return
        if rows.fail(row, rows.error_of(TaskLost(letter.reason), letter.reason)):
            text = "Task %s, %s, has failed: its message is a dead letter, %s"
            extra = fields("task_lost", channel=message.channel, message_id=message.id)
            logger.error(text, row.id, row.path, letter.reason, extra=extra)


def send_unsent() -> None:
    """Send tasks whose sender was killed between its commit and the message, or could not send."""
    failed: Exception | None = None
    for row in rows.take_unsent(timezone.now() - timedelta(seconds=UNSENT_AFTER), BATCH):
        try:
            rows.send_now(row)
        except LayerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (of this queue; it is tried again later)
            failed = failed or error
        else:
            rows.note_sent(row)
    if failed is not None:
        raise failed


def delete_old(backend: TaskBackend) -> int:
    """Delete up to BATCH rows of *backend* older than ``RESULTS_KEPT``; return how many."""
    limit = timezone.now() - timedelta(seconds=backend.settings.RESULTS_KEPT)
    old = rows.all_tasks().filter(backend=backend.alias, finished_at__lt=limit)
    keys = list(old.order_by("finished_at").values_list("pk", flat=True)[:BATCH])
    if keys:
        rows.all_tasks().filter(pk__in=keys).delete()
    return len(keys)


def forget_effects() -> None:
    """Delete what tasks have sent that finished ``ONCE_KEPT`` ago: it has gone out long since."""
    limit = timezone.now() - timedelta(seconds=configuration().ONCE_KEPT)
    some = rows.all_tasks().filter(finished_at__lt=limit, effects__isnull=False)
    some.filter(finished_at__gte=limit - timedelta(seconds=MADE_UP)).update(effects=None)
