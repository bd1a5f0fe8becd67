"""Deliveries of one thread that are pulled together, and committed together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    Committed,
    Delivery,
    Finished,
    may_be_refused,
)
from channels_workers.tracing import hooks
from channels_workers.worker import pace
from channels_workers.worker.commit import Ended, finish, log_stale
from channels_workers.worker.in_flight import InFlight, Slot, lease_of
from channels_workers.worker.log_fields import delivery_fields

logger = logging.getLogger(__name__)

#: How long a pull waits, which bounds the time that an idle worker takes to stop (s).
PULL_TIMEOUT = 1.0


class Batch:
    """The finished deliveries of one thread; other threads may commit them, too.

    *ended* is set when the process gives up what it could not commit.
    """

    def __init__(
        self, name: str, layer: WorkerLayer, in_flight: InFlight, slot: Slot, ended: threading.Event
    ) -> None:
        self.name = name
        self.finished = slot.finished
        self.due = 0.0  # monotonic seconds
        self.lock = threading.Lock()
        self._layer = layer
        self._in_flight = in_flight
        self._ended = ended

    def add(self, finished: Finished, consumer: str) -> None:
        """Keep *finished* for the batch of *consumer*, or commit all at once where it must be."""
        if not self.finished:
            self.due = time.monotonic() + pace.BATCH_WINDOW
        self.finished.append(finished)
        delivery = finished.delivery
        # A message that is pulled beside a refused commit would lose its place in its channel.
        is_alone = delivery.deaths or delivery.consumer != consumer
        if is_alone or may_be_refused(finished.operations):
            self.commit()
        if delivery.failures:
            self._in_flight.failures.succeeded(delivery)

    def commit(self) -> None:
        """Commit, and return when each is done."""
        with self.lock:
            if len(self.finished) > 1:
                self._commit_all()
            self._commit_each()

    def _commit_all(self) -> None:
        """Commit in one request, and keep those that failed."""
        try:
            done = self._layer.commit_all(self.finished)
        except Exception as error:  # noqa: BLE001  (each commit is tried again)
            done = [error] * len(self.finished)
        if hooks.active is not None:
            hooks.active.committed(self.finished, done)
        for finished in self.finished:
            self._layer.announce_delayed(finished.operations)
        self.finished[:] = self._failed(done)

    def _commit_each(self) -> None:
        while self.finished:
            delivery = self.finished[0].delivery
            try:
                done = finish(self.finished[0], self._layer, self._ended.wait)
                if hooks.active is not None:
                    hooks.active.committed(self.finished[:1], [done])
            except Ended as error:  # the rest goes to other workers
                logger.error("%s", error, extra=delivery_fields("not_finished", delivery))
                return
            except Exception:
                extra = delivery_fields("not_finished", delivery)
                logger.exception("Message %s is not finished yet", delivery.id, extra=extra)
                self._in_flight.uncommitted.add([delivery])
            del self.finished[0]

    def commit_and_pull(self, channels: Sequence[str], count: int) -> list[Delivery]:
        """Commit, and wait in the same request for the next messages; return them.

        If a commit fails, they go to the backlog before it is tried again.
        """
        with self.lock:
            if not self.finished:  # another thread has committed them by now
                return []
            layer = self._layer
            try:
                done, found = layer.commit_and_pull(self.finished, channels, PULL_TIMEOUT, count)
            except Exception as error:  # noqa: BLE001  (each commit is tried again)
                done, found = [error] * len(self.finished), []
            if hooks.active is not None:
                hooks.active.committed(self.finished, done)
            if done.count(Committed.DONE) == len(done):
                self.finished.clear()
                return found
            self.finished[:] = self._failed(done)
            if not self.finished:
                return found
            self._in_flight.backlog.add(found, lease_of(count))
            self._commit_each()
            return []

    def _failed(self, done: Sequence[Committed | Exception]) -> list[Finished]:
        failed = []
        for finished, committed in zip(self.finished, done, strict=True):
            if isinstance(committed, Exception):
                failed.append(finished)
            elif committed is not Committed.DONE:
                log_stale(finished.delivery)
        return failed

    def commit_overdue(self) -> None:
        """Commit what waits behind a slow consumer; for other threads than that of the consumer."""
        is_overdue = self.finished and time.monotonic() > self.due
        if is_overdue and self.lock.acquire(blocking=False):
            try:
                while self.finished:
                    finished = self.finished[0]
                    done = self._layer.commit(finished)
                    if done is not Committed.DONE:
                        log_stale(finished.delivery)
                    if hooks.active is not None:
                        hooks.active.committed([finished], [done])
                    del self.finished[0]
            finally:
                self.lock.release()
