"""Deliveries that a worker process holds and does not run."""

from __future__ import annotations

import heapq
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from channels_workers.backoff import Attempts
from channels_workers.layers.operations import Delivery
from channels_workers.retries import wait_before_run

logger = logging.getLogger(__name__)


class Backlog:
    """Deliveries that wait in this process, the longest waiting first; thread-safe.

    Each is *due* for something, which is up to the caller, at a time (monotonic seconds).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._given: list[tuple[float, Delivery]] = []  # by `each`, and not done with yet

    def all(self) -> list[Delivery]:
        """Return what is here; what :meth:`each` gives is until its turn is over."""
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

    @contextmanager
    def each(self, until: float = math.inf) -> Iterator[Iterator[Delivery]]:
        """Give those that are due *until* then, one by one.

        When the block fails, the one under way and the rest stay.
        """
        taken: list[tuple[float, Delivery]] = []

        def take() -> Iterator[Delivery]:
            while True:
                with self._lock:
                    found = next((each for each in self._waiting if each[0] <= until), None)
                    if found is None:
                        return
                    self._waiting.remove(found)
                    self._given.append(found)
                    taken.append(found)
                yield found[1]
                with self._lock:
                    self._given.remove(taken.pop())

        try:
            yield take()
        finally:
            with self._lock:
                for each in taken:
                    self._waiting.appendleft(each)
                    self._given.remove(each)


class Waiting(NamedTuple):
    """A delivery whose next run is *due* (monotonic seconds), as its consumer raised *error*."""

    due: float
    number: int
    delivery: Delivery
    error: BaseException | None


class Postponed:
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
        self._thread: threading.Thread | None = None

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
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._keep, name="postponed", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Put all back now, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._put_back_due(math.inf)

    def _keep(self) -> None:
        attempts = Attempts(logger, "Putting messages back")
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
        while True:
            with self._changed:
                if not self._waiting or self._waiting[0].due > now:
                    return
                first = self._waiting[0]
            self._put_back(first.delivery, first.error)
            # Until here it was held: after a lost reply the layer may have given it again.
            with self._changed:
                if self._waiting[0] is first:
                    heapq.heappop(self._waiting)
                else:  # another came meanwhile that is due before it
                    self._waiting.remove(first)
                    heapq.heapify(self._waiting)
