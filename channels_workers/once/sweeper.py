"""Deletes old rows of ``@once``; every worker process that has written one does this."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from django.db import connections
from django.db.models import Max
from django.db.models.functions import Now

from channels_workers.backoff import Backoff
from channels_workers.concurrency import forks
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration
from channels_workers.jitter import jittered
from channels_workers.layers.base import WorkerLayer
from channels_workers.once.rows import rows
from channels_workers.outbox import Outbox, Rest, never_ended

logger = logging.getLogger(__name__)

#: The interval of looks (s), and the most rows of one statement.
LOOK_INTERVAL, AT_ONCE = 60.0, 1_000

#: For how long a sweeper must have known a row, while the layer answered, before it deletes it
#: because of its age, and because there are too many (s). In that time workers finish what an
#: outage or a dead worker left.
KNOWN_FOR_AGE, KNOWN_FOR_NUMBER = 300.0, 60.0


class Sweeper:
    """Deletes the rows of the database *using* that no second run needs any more.

    No clock that jumps and no outage of *layer* may delete a row too early: see *KNOWN_FOR_AGE*.
    """

    def __init__(self, using: str, layer: WorkerLayer) -> None:
        self._using = using
        self._layer = layer
        self._newest: deque[tuple[float, int]] = deque()  # the last row at a time (monotonic s)

    def look(self, now: float) -> None:
        """Delete what is due by *now* (monotonic seconds).

        Raises :class:`LayerUnavailable` if the layer is, and errors of the database.
        """
        try:
            self._layer.check_server()
        except Exception:
            self._newest.clear()
            raise
        newest = rows(self._using).aggregate(newest=Max("pk"))["newest"] or 0
        self._newest.append((now, newest))
        old, known = self._known(now, KNOWN_FOR_AGE), self._known(now, KNOWN_FOR_NUMBER)
        while len(self._newest) > 1 and self._newest[1][0] <= now - KNOWN_FOR_AGE:
            self._newest.popleft()
        surplus = min(known, newest - configuration().ONCE_ROWS)
        while self._delete_batch(old, surplus) == AT_ONCE:
            pass

    def _known(self, now: float, seconds: float) -> int:
        """Return the last row that was there *seconds* ago, 0 if that is unknown."""
        return max((row for at, row in self._newest if at <= now - seconds), default=0)

    def _delete_batch(self, old: int, surplus: int) -> int:
        """Delete some of the rows up to *surplus*, and old ones up to *old*; return how many."""
        kept = configuration().ONCE_KEPT
        first = rows(self._using).order_by("pk").annotate(now=Now())
        found = first.filter(pk__lte=max(old, surplus)).values_list("pk", "at", "now")[:AT_ONCE]
        due = [
            pk
            for pk, at, now in found
            if pk <= surplus or (pk <= old and (now - at).total_seconds() > kept)
        ]
        if due:
            rows(self._using).filter(pk__in=due).delete()
        return len(due)


class _Sweepers:
    """The threads that sweep in this process, by database."""

    def __init__(self) -> None:
        self.begin_in_child()
        forks.renew_in_child(self)

    def begin_in_child(self) -> None:
        self.threads: dict[str, Duty] = {}


_sweepers = _Sweepers()


def watch(using: str, outbox: Outbox) -> None:
    """Sweep the database *using* from now on, as long as the worker process of *outbox* runs."""
    thread = _sweepers.threads.get(using)
    # A consumer that runs in a test belongs to no process that ends.
    if (thread is not None and thread.is_alive()) or outbox.rest == never_ended.wait:
        return
    sweep = partial(_run, Sweeper(using, outbox.layer).look, using, outbox.rest)
    thread = _sweepers.threads[using] = Duty(f"sweeper of {using}", sweep)
    thread.start()


def _run(look: Callable[[float], None], using: str, rest: Rest) -> None:
    backoff = Backoff(logger, f"Deleting old rows of @once in {using!r}", LOOK_INTERVAL)
    wait = 0.0
    while not rest(wait):
        try:
            look(time.monotonic())
        except Exception as error:  # noqa: BLE001  (logged; the sweeper must go on)
            wait = backoff.failed(error)
        else:
            if backoff.failures:
                backoff.succeeded()
            # Workers look at different times.
            wait = jittered(LOOK_INTERVAL, 0.75, 1.25)
        finally:
            connections[using].close()
