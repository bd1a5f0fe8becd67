"""Looks after deliveries that wait in a process whose threads are in slow consumers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from channels_workers.backoff import Backoff, BackoffEach
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.base import WorkerLayer
from channels_workers.worker.batch import Batch
from channels_workers.worker.in_flight import InFlight

logger = logging.getLogger(__name__)

#: The interval of a look, and the longest wait after a failure (s).
RELIEF_INTERVAL, LONGEST_PAUSE = 0.05, 1.0


class Relief:
    """The thread that commits overdue *batches*, and hands back messages that wait too long.

    It sleeps until the ledger is crowded, and ends with *ended*.
    """

    def __init__(
        self,
        layer: WorkerLayer,
        in_flight: InFlight,
        batches: Sequence[Batch],
        ended: threading.Event,
    ) -> None:
        self._layer = layer
        self._in_flight = in_flight
        self._batches = batches
        self._ended = ended
        self._overdue = BackoffEach(logger, "Committing for the thread", LONGEST_PAUSE)
        self.thread = Duty("relief", self._run)

    def start(self) -> None:
        """Wait for the ledger to be crowded."""
        self.thread.start()

    def _run(self) -> None:
        backoff = Backoff(logger, "Relieving slow consumers", LONGEST_PAUSE)
        crowded = self._in_flight.crowded
        while crowded.wait() and not self._ended.is_set():
            crowded.clear()
            self._ended.wait(RELIEF_INTERVAL)
            try:
                self.relieve()
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                self._ended.wait(backoff.failed(error))
            else:
                backoff.succeeded()
            if self._in_flight.is_crowded:
                crowded.set()

    def relieve(self) -> None:
        """Do what threads cannot do while they are in slow consumers."""
        for batch in self._batches:
            self.commit(batch)
        if not all(batch.lock.locked() for batch in self._batches):
            self._in_flight.hand_back(self._layer, time.monotonic())

    def commit(self, batch: Batch) -> None:
        """Commit *batch* if it is overdue; a failure is logged, and harms no other batch."""
        self._overdue.attempt(batch.name, batch.commit_overdue)
