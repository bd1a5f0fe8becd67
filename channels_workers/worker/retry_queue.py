"""Deliveries that wait in a worker process for their next run."""

from __future__ import annotations

import heapq
import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import NamedTuple

from channels_workers.backoff import Backoff, BackoffEach
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.types import Delivery
from channels_workers.worker.retries import wait_before_run

logger = logging.getLogger(__name__)

#: The longest wait for the next attempt to put a delivery back (s).
LONGEST_PAUSE = 1.0


def name_of(delivery: Delivery) -> str:
    """Return how the log names *delivery*."""
    return f"{delivery.id} on {delivery.channel}"


class Waiting(NamedTuple):
    """A delivery whose next run is *due* (monotonic seconds) after its consumer raised *error*."""

    due: float
    number: int
    delivery: Delivery
    error: BaseException | None


class RetryQueue:
    """Deliveries that wait for their next run, after ConsumeLater for example; thread-safe.

    A thread, started by the first of them, calls *put_back* with each when its wait is over, and
    with the error of its consumer.
    """

    def __init__(self, put_back: Callable[[Delivery, BaseException | None], object]) -> None:
        self._put_back = put_back
        self._changed = threading.Condition()
        self._waiting: list[Waiting] = []  # a heap
        self._numbers = count()  # keeps the order of deliveries that are due at once
        self._stopped = False
        self._backoff = BackoffEach(logger, "Putting back", LONGEST_PAUSE)
        self.thread = Duty("retry queue", self._keep)

    def all(self) -> list[Delivery]:
        """Return the deliveries here."""
        with self._changed:
            return [waiting.delivery for waiting in self._waiting]

    def add(self, delivery: Delivery, error: BaseException | None = None) -> None:
        """Keep *delivery* until its wait is over."""
        due = time.monotonic() + wait_before_run(delivery, error)
        with self._changed:
            heapq.heappush(self._waiting, Waiting(due, next(self._numbers), delivery, error))
            self._changed.notify()
            if self.thread.ident is None and not self._stopped:
                self.thread.start()

    def end(self) -> None:
        """Stop the thread; what it puts back at this moment is put back."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def stop(self, deadline: float = math.inf) -> bool:
        """Put all back now; return whether the thread ended by *deadline* (monotonic seconds)."""
        self.end()
        if not self.thread.ends_by(deadline):
            return False
        self._put_back_due(math.inf)
        return True

    def _keep(self) -> None:
        backoff = Backoff(logger, "Putting messages back")
        while not self._stopped:
            try:
                self._put_back_due(time.monotonic())
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                self._rest(backoff.failed(error))
            else:
                backoff.succeeded()
                self._rest(None)

    def _rest(self, seconds: float | None) -> None:
        """Wait for *seconds*, or until the next is due; :meth:`end` cuts it short."""
        with self._changed:
            if seconds is not None:
                self._changed.wait_for(lambda: self._stopped, seconds)
            elif not self._stopped:
                self._changed.wait(self._until_due())

    def _until_due(self) -> float | None:
        return max(0.0, self._waiting[0].due - time.monotonic()) if self._waiting else None

    def _put_back_due(self, now: float) -> None:
        with self._changed:
            due = sorted(waiting for waiting in self._waiting if waiting.due <= now)
        for waiting in due:
            action = partial(self._put_back, waiting.delivery, waiting.error)
            is_back = self._backoff.attempt(name_of(waiting.delivery), action)
            # It stays in the ledger until here: after a lost reply the layer may give it again.
            with self._changed:
                self._waiting.remove(waiting)
                heapq.heapify(self._waiting)
                if not is_back:
                    later = time.monotonic() + LONGEST_PAUSE
                    heapq.heappush(self._waiting, waiting._replace(due=later))
