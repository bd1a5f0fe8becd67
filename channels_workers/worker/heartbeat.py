"""Keeps a worker process known to the layer by heartbeats, under a new id when it must."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from channels_workers.backoff import Attempts
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.types import Delivery, Liveness, ProcessInfo, new_id
from channels_workers.logs import fields

if TYPE_CHECKING:
    from channels_workers.worker.group import WorkerGroup

logger = logging.getLogger(__name__)

#: How often the process heartbeats (s), and how often it looks for what it was handed unseen (s).
HEARTBEAT_INTERVAL, SEARCH_INTERVAL = 1.0, 10.0

#: How many former names of a process may hold something yet.
NAMES = 100

GONE = {
    Liveness.EVICTED: "was taken for dead, and what it held went to others",
    Liveness.LOST: "is not known any more, as the layer has lost its data",
}


class Heartbeat:
    """The name of the process that *group* works in, and the thread that keeps it known.

    It also finishes what could not be finished, and finds what the process was handed unseen.
    """

    def __init__(self, group: WorkerGroup) -> None:
        self.group = group
        self.channel_layer = group.channel_layer
        self.process = new_id()
        self.known = threading.Event()
        self._names = deque([self.process], maxlen=NAMES)
        self._unknown: list[Delivery] = []
        self._search_at = time.monotonic() + SEARCH_INTERVAL
        self._ended = threading.Event()
        self.thread = Duty("heartbeat", self._run)

    def start(self) -> None:
        """Begin: register, then heartbeat."""
        self.thread.start()

    def end(self) -> None:
        """Liveness no more."""
        self._ended.set()

    def join(self, deadline: float = math.inf) -> bool:
        """Say whether what is under way after :meth:`end` ends by *deadline* (monotonic)."""
        return self.thread.ends_by(deadline)

    def _run(self) -> None:
        # Others must not take a process for dead that only waits for its next attempt.
        attempts = Attempts(logger, "Keeping this worker registered", HEARTBEAT_INTERVAL)
        registered = False
        while not self._ended.is_set():
            try:
                if registered and (heartbeat := self.channel_layer.heartbeat(self.process)) in GONE:
                    self._hold_up_pulls()
                    if (
                        heartbeat is Liveness.LOST
                    ):  # others clean up what was handed to the old name since
                        self._register()
                    self._take_new_name(GONE[heartbeat])
                    registered = False
                if not registered:
                    self._register()
                    registered = True
                self.known.set()
                self.group.finish_unfinished()
                if time.monotonic() > self._search_at:
                    self._search_at = time.monotonic() + SEARCH_INTERVAL
                    self._search()
            except Exception as error:  # noqa: BLE001  (logged; the heartbeat must go on)
                self._ended.wait(attempts.failed(error))
            else:
                attempts.succeeded()
                self._ended.wait(HEARTBEAT_INTERVAL)

    def _hold_up_pulls(self) -> None:
        self.known.clear()
        if self.group.stopping.is_set():  # then nobody pulls, nor is anybody to wait
            self.known.set()

    def _register(self) -> None:
        threads, channels = len(self.group.workers), self.group.channels
        self.channel_layer.register(self.process, ProcessInfo.this("worker", threads, channels))

    def _take_new_name(self, reason: str) -> None:
        former, self.process = self.process, new_id()
        self._names.append(self.process)
        extra = fields("worker_lost", process_id=former)
        text = "This worker, %s, %s; it goes on as %s"
        logger.error(text, former, reason, self.process, extra=extra)

    def _search(self) -> None:
        """Let run what the layer handed to this process and nobody here knows of.

        It may hand something out to a line that was cut. What is unknown at two looks is no
        message that has just come.
        """
        group = self.group
        consumers = [f"{name}.{worker.number}" for name in self._names for worker in group.workers]
        held_before = group.held()
        found = self.channel_layer.pending_deliveries(group.channels, consumers)
        unknown = group.unknown(found, held_before)
        group.backlog.add([delivery for delivery in unknown if delivery in self._unknown])
        self._unknown = unknown
        group.relieve()
