"""Deliveries that a worker process holds and does not run."""

from __future__ import annotations

import heapq
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from typing import NamedTuple

from channels_workers.backoff import Backoff, BackoffEach
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.types import Delivery
from channels_workers.worker.retries import wait_before_run

logger = logging.getLogger(__name__)

#: How long what could not be finished, or put back, waits for the next attempt at most (s).
LONGEST_PAUSE = 1.0


class Backlog:
    """Deliveries that wait in this process, the longest waiting first; thread-safe.

    Each is *due* at a time (monotonic seconds) for what :meth:`settle` is to do with it, which the
    log calls *what*.
    """

    def __init__(self, what: str = "Handing back") -> None:
        self.attempts = BackoffEach(logger, what, LONGEST_PAUSE)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._given: list[tuple[float, Delivery]] = []  # to `settle`, and not done with

    def all(self) -> list[Delivery]:
        """Return what is here; what :meth:`settle` works at is."""
        with self._lock:
            return [delivery for _, delivery in (*self._waiting, *self._given)]

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, deliveries: Iterable[Delivery], patience: float = 0.0) -> None:
        """Keep *deliveries*, due in *patience* seconds."""
        due = time.monotonic() + patience
        with self._lock:
            for delivery in deliveries:
                self._waiting.append((due, delivery))

    def next(self, begin: Callable[[Delivery], None]) -> Delivery | None:
        """Take the one that waits longest; *begin* is called with it while it is here."""
        with self._lock:
            if not self._waiting:
                return None
            begin(self._waiting[0][1])
            return self._waiting.popleft()[1]

    def settle(self, action: Callable[[Delivery], object], until: float = math.inf) -> None:
        """Do *action* with each that is due *until* then; those for which it fails stay.

        One of them holds up no other; it is logged, and tried again after a while. Raises
        :class:`LayerUnavailable`, which meets all.
        """
        kept: list[tuple[float, Delivery]] = []
        with self._lock:
            due = [waiting for waiting in self._waiting if waiting[0] <= until]
        try:
            for waiting in due:
                if self._take(waiting):
                    kept.append(waiting)
                    if self.attempts.attempt(name_of(waiting[1]), partial(action, waiting[1])):
                        self._put_away(kept.pop())
        finally:
            self.attempts.keep({name_of(delivery) for _, delivery in kept})
            with self._lock:
                self._waiting.extendleft(reversed(kept))
            for waiting in kept:
                self._put_away(waiting)

    def _take(self, waiting: tuple[float, Delivery]) -> bool:
        with self._lock:
            if waiting not in self._waiting:  # a thread runs it meanwhile
                return False
            self._waiting.remove(waiting)
            self._given.append(waiting)
            return True

    def _put_away(self, waiting: tuple[float, Delivery]) -> None:
        with self._lock:
            self._given.remove(waiting)


def name_of(delivery: Delivery) -> str:
    """Return how the log names *delivery*."""
    return f"{delivery.id} on {delivery.channel}"


class Waiting(NamedTuple):
    """A delivery whose next run is *due* (monotonic seconds), as its consumer raised *error*."""

    due: float
    number: int
    delivery: Delivery
    error: BaseException | None


class RetryQueue:
    """Deliveries that wait for their next run, after ConsumeLater for example; thread-safe.

    A thread, which the first of them starts, gives each to *put_back* when its wait is over, with
    what its consumer raised.
    """

    def __init__(self, put_back: Callable[[Delivery, BaseException | None], object]) -> None:
        self._put_back = put_back
        self._changed = threading.Condition()
        self._waiting: list[Waiting] = []  # a heap
        self._numbers = count()  # of two that are due at once the first comes first
        self._stopped = False
        self._attempts = BackoffEach(logger, "Putting back", LONGEST_PAUSE)
        self.thread = Duty("retry_queue", self._keep)

    def all(self) -> list[Delivery]:
        """Return what is here."""
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
        """Put no more back, after what is under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def stop(self, deadline: float = math.inf) -> bool:
        """Put all back now; say whether the thread ends by *deadline* (monotonic seconds)."""
        self.end()
        if not self.thread.ends_by(deadline):
            return False
        self._put_back_due(math.inf)
        return True

    def _keep(self) -> None:
        attempts = Backoff(logger, "Putting messages back")
        while not self._stopped:
            try:
                self._put_back_due(time.monotonic())
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                self._rest(attempts.failed(error))
            else:
                attempts.succeeded()
                self._rest(None)

    def _rest(self, seconds: float | None) -> None:
        """Wait that long, or until the next is due; until :meth:`stop` at most."""
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
            is_back = self._attempts.attempt(name_of(waiting.delivery), action)
            # Until here it was held: after a lost reply the layer may have given it again.
            with self._changed:
                self._waiting.remove(waiting)
                heapq.heapify(self._waiting)
                if not is_back:
                    later = time.monotonic() + LONGEST_PAUSE
                    heapq.heappush(self._waiting, waiting._replace(due=later))
