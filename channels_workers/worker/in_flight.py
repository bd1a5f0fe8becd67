"""The ledger of a worker process: the deliveries that it holds, and what is to be done with each.

It has no thread and no layer of its own. Threads move deliveries from one place to the next.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from channels_workers import recorder
from channels_workers.backoff import BackoffEach
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import Delivery, Finished
from channels_workers.worker.commit import undone
from channels_workers.worker.retries import Failures
from channels_workers.worker.retry_queue import RetryQueue, name_of

logger = logging.getLogger(__name__)

#: The longest wait for the next attempt to hand back or to finish a delivery (s).
LONGEST_PAUSE = 1.0

#: How long a message that was pulled with others waits before it is handed back (s). Its thread is
#: then in a consumer that is slower than expected. A message pulled alone waits longer.
PREFETCH_LEASE, PREFETCH_LEASE_ALONE = 0.05, 1.0


class Slot:
    """The deliveries of one thread: the one that is *running*, and those *finished*.

    A finished delivery has run and is not committed yet.
    """

    __slots__ = ("finished", "running")

    def __init__(self) -> None:
        self.running: Delivery | None = None
        self.finished: list[Finished] = []


class Backlog:
    """Deliveries that wait in this process, the longest waiting first; thread-safe.

    Each is due at a time (monotonic seconds) for the action of :meth:`settle`, which *what* names
    in the log.
    """

    def __init__(self, what: str = "Handing back") -> None:
        self.backoff = BackoffEach(logger, what, LONGEST_PAUSE)
        self._lock = threading.Lock()
        #: What waits, each with its due time. Read its length without the lock.
        self.waiting: deque[tuple[float, Delivery]] = deque()
        self._settling: list[tuple[float, Delivery]] = []

    def all(self) -> list[Delivery]:
        """Return the deliveries here, those that :meth:`settle` works on included."""
        with self._lock:
            return [delivery for _, delivery in (*self.waiting, *self._settling)]

    def add(self, deliveries: Iterable[Delivery], lease: float = 0.0) -> None:
        """Keep *deliveries*, due in *lease* seconds."""
        due = time.monotonic() + lease
        with self._lock:
            for delivery in deliveries:
                self.waiting.append((due, delivery))

    def move_to(self, slot: Slot) -> Delivery | None:
        """Let *slot* run the longest waiting delivery, and return it; None without one.

        It never is in neither place.
        """
        with self._lock:
            if not self.waiting:
                return None
            slot.running = self.waiting[0][1]
            self.waiting.popleft()
            return slot.running

    def settle(self, action: Callable[[Delivery], object], until: float = math.inf) -> None:
        """Do *action* with each delivery that is due *until* then.

        If it fails the delivery stays, the failure is logged, and the other deliveries have their
        turn. Only :class:`LayerUnavailable` is raised, because it affects all of them.
        """
        kept: list[tuple[float, Delivery]] = []
        with self._lock:
            due = [waiting for waiting in self.waiting if waiting[0] <= until]
        try:
            for waiting in due:
                if self._begin_settling(waiting):
                    kept.append(waiting)
                    if self.backoff.attempt(name_of(waiting[1]), partial(action, waiting[1])):
                        self._end_settling(kept.pop())
        finally:
            self.backoff.keep({name_of(delivery) for _, delivery in kept})
            with self._lock:
                self.waiting.extendleft(reversed(kept))
            for waiting in kept:
                self._end_settling(waiting)

    def _begin_settling(self, waiting: tuple[float, Delivery]) -> bool:
        with self._lock:
            if waiting not in self.waiting:  # a thread runs it by now
                return False
            self.waiting.remove(waiting)
            self._settling.append(waiting)
            return True

    def _end_settling(self, waiting: tuple[float, Delivery]) -> None:
        with self._lock:
            self._settling.remove(waiting)


def lease_of(count: int) -> float:
    """Return how long messages wait that were pulled *count* at once (s)."""
    return PREFETCH_LEASE if count > 1 else PREFETCH_LEASE_ALONE


class InFlight:
    """The deliveries of a worker process with so many *threads*; thread-safe.

    Several ledgers of a process share the lock *quarantine*.

    * ``backlog``: pulled, and not begun
    * ``quarantined``: the same for messages whose worker died; they run one at a time
    * ``slots``: running or finished, for each thread
    * ``uncommitted``: finished, with a commit that failed for an unforeseen reason
    * ``retry_queue``: waiting for their next run
    """

    def __init__(
        self, threads: int, retry_queue: RetryQueue, quarantine: threading.Lock | None = None
    ) -> None:
        self.backlog = Backlog()
        self.quarantined = Backlog()
        self.slots = [Slot() for _ in range(threads)]
        self.uncommitted = Backlog("Finishing")
        self.retry_queue = retry_queue
        self.failures = Failures()
        #: Set when something waits behind a consumer that may be slow.
        self.crowded = threading.Event()
        self._quarantine = quarantine or threading.Lock()

    def all(self) -> list[Delivery]:
        """Return all deliveries here; one that moves meanwhile may be in the list twice."""
        # Two passes: a delivery is in its next place before it leaves the one before.
        return [*self._all(), *self._all()]

    def _all(self) -> Iterator[Delivery]:
        for place in (self.backlog, self.quarantined, self.uncommitted, self.retry_queue):
            yield from place.all()
        for slot in self.slots:
            if (running := slot.running) is not None:
                yield running
            yield from (finished.delivery for finished in tuple(slot.finished))

    def unknown(self, found: Sequence[Delivery], before: Sequence[Delivery]) -> list[Delivery]:
        """Return the deliveries of *found*, read from the layer, that are not here.

        *before* is what :meth:`all` returned before the read: some of it may be committed by now.
        """
        known = {(each.channel, each.token) for each in (*before, *self.all())}
        return [each for each in found if (each.channel, each.token) not in known]

    def next(self, slot: Slot) -> Delivery | None:
        """Let *slot* run the next delivery, and return it; None if none can run now."""
        if self.quarantined.waiting and self._quarantine.acquire(blocking=False):
            if (delivery := self.quarantined.move_to(slot)) is not None:
                return delivery
            self._quarantine.release()
        while self.backlog.waiting and (delivery := self.backlog.move_to(slot)) is not None:
            if not delivery.deaths or self._quarantine.acquire(blocking=False):
                return delivery
            self.quarantined.add([delivery], PREFETCH_LEASE_ALONE)
        slot.running = None
        return None

    def next_of(self, found: Sequence[Delivery], count: int, slot: Slot) -> Delivery | None:
        """Keep *found*, pulled *count* at once, in the backlog; then do :meth:`next`."""
        if len(found) == 1 and not found[0].deaths and not self.backlog.waiting:
            slot.running = found[0]
            return found[0]
        if found:
            self.backlog.add(found, lease_of(count))
        return self.next(slot)

    def end_quarantine(self) -> None:
        """Let the next quarantined message run, as one of them has run."""
        self._quarantine.release()

    @property
    def is_crowded(self) -> bool:
        """Whether something waits that the thread of a slow consumer cannot look after."""
        waits = self.backlog.waiting or self.quarantined.waiting
        return bool(waits) or any(slot.finished for slot in self.slots)

    def busy(self) -> int:
        """Return how many threads run something."""
        return sum(slot.running is not None for slot in self.slots)

    def hand_back(self, layer: WorkerLayer, until: float = math.inf) -> None:
        """Give deliveries that have not begun, and are due *until* then, to other workers."""
        for backlog in (self.backlog, self.quarantined):
            backlog.settle(partial(_hand_back, layer), until)

    def finish_uncommitted(self, layer: WorkerLayer) -> None:
        """Finish deliveries with a failed commit, without it, so that connections go on."""
        self.uncommitted.settle(lambda delivery: layer.commit(undone(delivery, layer)))


def _hand_back(layer: WorkerLayer, delivery: Delivery) -> None:
    layer.requeue(delivery, counted=False)
    if (found := recorder.current()) is not None:
        found.worker.returned()
