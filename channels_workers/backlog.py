"""Deliveries that a worker process holds and does not run."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from channels_workers.layers.operations import Delivery


class Backlog:
    """Deliveries that wait in this process, the longest waiting first; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, Delivery]] = deque()

    def __contains__(self, delivery: Delivery) -> bool:
        with self._lock:
            return any(delivery == waiting for _, waiting in self._waiting)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Keep *deliveries*."""
        now = time.monotonic()
        with self._lock:
            self._waiting.extend((now, delivery) for delivery in deliveries)

    def next(self) -> Delivery | None:
        """Take the one that waits longest."""
        with self._lock:
            return self._waiting.popleft()[1] if self._waiting else None

    @contextmanager
    def each(self, before: float = math.inf) -> Iterator[Iterator[Delivery]]:
        """Give those that came *before* (monotonic seconds), one by one.

        When the block fails, the one under way and the rest stay.
        """
        taken: list[tuple[float, Delivery]] = []

        def take() -> Iterator[Delivery]:
            while True:
                with self._lock:
                    if not self._waiting or self._waiting[0][0] > before:
                        return
                    taken[:] = [self._waiting.popleft()]
                yield taken[0][1]
                taken.clear()

        try:
            yield take()
        finally:
            with self._lock:
                self._waiting.extendleft(taken)
