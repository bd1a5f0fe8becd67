"""Keeps a worker process known to the layer by heartbeats, under a new name when it must."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

from channels_workers import recorder
from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import Delivery, Liveness, ProcessInfo, Running
from channels_workers.logs import fields
from channels_workers.worker.identity import Identity
from channels_workers.worker.in_flight import InFlight

logger = logging.getLogger(__name__)

#: The intervals of heartbeats, and of searches for deliveries that were handed out unseen (s).
HEARTBEAT_INTERVAL, SEARCH_INTERVAL = 1.0, 10.0

REASONS = {
    Liveness.EVICTED: "was declared dead, and its messages went to other workers",
    Liveness.LOST: "is unknown, because the layer has lost its data",
}


class Heartbeat:
    """The thread that keeps the name of *identity* known.

    The process began *since* then (Unix time, s), by default now. This thread also publishes what
    is :attr:`running` for long, finishes uncommitted deliveries, and finds
    those that the layer handed out unseen.
    """

    def __init__(
        self,
        layer: WorkerLayer,
        identity: Identity,
        in_flight: InFlight,
        channels: Sequence[str],
        stopping: threading.Event,
        since: float | None = None,
    ) -> None:
        self._layer = layer
        self._identity = identity
        self._in_flight = in_flight
        self._channels = channels
        self._stopping = stopping
        self._unknown: list[Delivery] = []
        self._search_at = time.monotonic() + SEARCH_INTERVAL
        #: Returns what runs for long.
        self.running: Callable[[], tuple[Running, ...]] = tuple
        self._about = ProcessInfo.this("worker")
        self._since = self._about.since if since is None else since
        self._is_registered = False
        self._ended = threading.Event()
        self.thread = Duty("heartbeat", self._run)

    def start(self) -> None:
        """Register, then send heartbeats."""
        self.thread.start()

    def end(self) -> None:
        """Send no more heartbeats."""
        self._ended.set()

    def join(self, deadline: float = math.inf) -> bool:
        """Wait until the thread has ended, to *deadline* (monotonic seconds); say if it has."""
        return self.thread.ends_by(deadline)

    def _run(self) -> None:
        # The wait is short: others must not take a process for dead that waits to try again.
        backoff = Backoff(logger, "Keeping this worker registered", HEARTBEAT_INTERVAL)
        while not self._ended.is_set():
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001  (logged; the heartbeat must go on)
                self._ended.wait(backoff.failed(error))
            else:
                backoff.succeeded()
                self._ended.wait(HEARTBEAT_INTERVAL)

    def _beat(self) -> None:
        sent = time.monotonic()
        if self._is_registered:
            liveness = self._layer.heartbeat(self._identity.process)
            if liveness is not Liveness.ALIVE:
                self._change_name(liveness)
        if not self._is_registered:
            self._register()
            self._is_registered = True
        self._identity.note_heartbeat(sent)
        self._identity.known.set()
        self._describe()
        self._in_flight.finish_uncommitted(self._layer)
        if time.monotonic() > self._search_at:
            self._search_at = time.monotonic() + SEARCH_INTERVAL
            self._search()

    def _register(self) -> None:
        about = ProcessInfo.this("worker", len(self._in_flight.slots), self._channels)
        self._about = about._replace(since=self._since)
        self._layer.register(self._identity.process, self._about)
        if recorder.current() is not None:  # then the first messages have a known age
            self._layer.clock.read()

    def _describe(self) -> None:
        """Publish what runs for long, if that has changed."""
        running = self.running()
        if running != self._about.running:
            about = self._about._replace(running=running)
            self._layer.describe(self._identity.process, about)
            self._about = about

    def _change_name(self, liveness: Liveness) -> None:
        self._hold_up_pulls()
        if liveness is Liveness.LOST:  # others then clean up deliveries under the old name
            self._register()
        previous = self._identity.renew()
        self._is_registered = False
        logger.error(
            "This worker, %s, %s; it goes on as %s",
            previous,
            REASONS[liveness],
            self._identity.process,
            extra=fields("worker_lost", process_id=previous),
        )

    def _hold_up_pulls(self) -> None:
        self._identity.known.clear()
        if self._stopping.is_set():  # then nobody pulls, and nobody may wait
            self._identity.known.set()

    def _search(self) -> None:
        """Run deliveries that the layer handed to this process, and that are not in the ledger.

        The layer may hand something to a connection that was cut. A delivery that is unknown at two
        searches has not just arrived.
        """
        in_flight, consumers = self._in_flight, self._identity.all_consumers()
        before = in_flight.all()
        found = self._layer.pending_deliveries(self._channels, consumers)
        unknown = in_flight.unknown(found, before)
        in_flight.backlog.add([delivery for delivery in unknown if delivery in self._unknown])
        self._unknown = unknown
        in_flight.crowded.set()
