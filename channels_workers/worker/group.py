"""Workers: threads that pull messages, run their consumers and commit; source: Channels 1.1.8."""

from __future__ import annotations

import fnmatch
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from channels_workers.backoff import Attempts, AttemptsEach
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Delivery,
)
from channels_workers.logs import about, fields
from channels_workers.routing import Router, get_router
from channels_workers.worker.commit import put_back, undone
from channels_workers.worker.event_loop import EventLoop
from channels_workers.worker.heartbeat import Heartbeat
from channels_workers.worker.in_flight import Backlog, Postponed
from channels_workers.worker.reaper import Reaper
from channels_workers.worker.retries import Failures
from channels_workers.worker.thread import PATIENCE_ALONE, Worker

logger = logging.getLogger(__name__)

#: How soon what waits behind a consumer that takes long is helped on (s), and how long the next
#: attempt waits at most when that failed (s).
RELIEF_INTERVAL, LONGEST_PAUSE = 0.05, 1.0

#: How long a stopping process takes, after its consumers, to hand back what it holds and to leave
#: the layer (s).
GOODBYE_TIME = 3.0

CONNECTION_CHANNELS = frozenset((CONNECT, RECEIVE, DISCONNECT))

Callback = Callable[[Delivery], None]


class WorkerGroup:
    """The workers of one process, and what it has pulled but not begun.

    *only_channels* and *exclude_channels* are globs of channel names; *callback* is called
    with each delivery before it runs. ValueError without a thread or a channel.
    """

    def __init__(
        self,
        channel_layer: WorkerLayer,
        n_threads: int = 1,
        only_channels: Sequence[str] | None = None,
        exclude_channels: Sequence[str] | None = None,
        callback: Callback | None = None,
        router: Router | None = None,
    ) -> None:
        if n_threads < 1:
            raise ValueError(f"A worker needs 1 thread or more, not {n_threads!r}.")
        self.channel_layer = channel_layer
        self.router = router or get_router()
        self.callback = callback
        self.channels = filter_channels(self.router.channels, only_channels, exclude_channels)
        #: One thread alone runs the messages of a channel in their order. Those of connections need
        #: no care: of each, one is under way.
        self.keeps_order = n_threads == 1 and not CONNECTION_CHANNELS.issuperset(self.channels)
        self.loop = EventLoop()
        self.stopping = threading.Event()
        #: Set when nothing is tried again any more.
        self.ended = threading.Event()
        self.backlog = Backlog()
        self.unfinished = Backlog("Finishing")
        self.failures = Failures()
        self.postponed = Postponed(self._put_back)
        #: A message whose worker died runs here when no other such message does: it may kill again.
        self.suspects = Backlog()
        self.quarantine = threading.Lock()
        self.workers = [Worker(self, number) for number in range(n_threads)]
        self._keeper = Heartbeat(self)
        self._crowded = threading.Event()
        self._overdue = AttemptsEach(logger, "Committing what waits in the thread", LONGEST_PAUSE)
        self._relief = Duty("relief", self._relieve)
        self._reaper = Reaper(channel_layer.admin, lambda: self.process)

    @property
    def process(self) -> str:
        """The name of this process in the layer, which may change."""
        return self._keeper.process

    # Life

    def start(self) -> None:
        """Start all threads and return."""
        self._keeper.start()
        self._relief.start()
        self._reaper.start()
        for worker in self.workers:
            worker.thread.start()

    def run(self) -> None:
        """Start, and return when :meth:`stop` was called and all is done."""
        self.start()
        self.stopping.wait()
        self.join()

    @property
    def is_known(self) -> bool:
        """Whether the layer knows this process by its name, or it stops.

        One that pulls before that is taken for dead, and its messages run again elsewhere.
        """
        return self._keeper.known.is_set()

    def wait_until_known(self) -> None:
        """Return when :attr:`is_known`."""
        self._keeper.known.wait()

    def stop(self) -> None:
        """Begin to stop: pull no more."""
        self.stopping.set()
        self._keeper.known.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the consumers under way; say whether all of them finished.

        *timeout* is in seconds, by default ``CHANNEL_WORKERS["STOP_TIMEOUT"]``.
        """
        # The order matters: nothing is pulled any more, what runs finishes, what never began
        # goes back to the others; then the heartbeat may stop and the process may be forgotten.
        limit = configuration().STOP_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + limit
        late = [worker for worker in self.workers if not worker.thread.ends_by(deadline)]
        deadline = max(deadline, time.monotonic() + GOODBYE_TIME)
        # In a thread, as a layer that takes a request and does not answer holds up who asks it.
        goodbye = Duty("goodbye", partial(self._say_goodbye, late, deadline))
        goodbye.start()
        goodbye.ends_by(deadline)
        self._end()
        if not late:
            self.loop.stop(deadline)
        self._tell_of_late(late, goodbye, deadline)
        return not late

    def _say_goodbye(self, late: Sequence[Worker], deadline: float) -> None:
        handing_back = AttemptsEach(logger, "Handing back what runs in the thread")
        try:
            self.hand_back()
            self.postponed.stop(deadline)
            self.finish_unfinished()
            for worker in late:
                self._overdue.attempt(worker.thread.name, worker.commit_overdue)
                handing_back.attempt(worker.thread.name, partial(self._give_up, worker))
            self._end()
            duties = (self._keeper.join, self._relief.ends_by, self._reaper.stop)
            if all(has_ended(deadline) for has_ended in duties):  # else one may register again
                consumers = [worker.consumer for worker in self.workers]
                self.channel_layer.retire(self.process, consumers, self.channels)
        except Exception as error:  # the process must end
            extra = fields("stop_failed", process_id=self.process)
            is_away = isinstance(error, LayerUnavailable)
            text, why = "Stopping without a goodbye: %s", error if is_away else type(error).__name__
            logger.error(text, why, exc_info=None if is_away else error, extra=extra)

    def _tell_of_late(self, late: Sequence[Worker], goodbye: Duty, deadline: float) -> None:
        """Say which threads go on: what they hold goes to others when the process ends."""
        duties = [goodbye, self._keeper.thread, self._relief, self._reaper.thread]
        duties += [self.postponed.thread] if late else [self.postponed.thread, self.loop.thread]
        names = [worker.thread.name for worker in late if worker.thread.is_alive()]
        names += [duty.name for duty in duties if not duty.ends_by(deadline)]
        if names:
            text, extra = "These threads have not ended: %s", fields("stop_failed")
            logger.error(text, ", ".join(names), extra=extra)

    def _end(self) -> None:
        self.ended.set()
        self._keeper.end()
        self._reaper.end()
        self.postponed.end()
        self._crowded.set()

    def _give_up(self, worker: Worker) -> None:
        delivery = worker.delivery
        if delivery is not None:
            logger.error(
                "Message %s on %s did not finish in time; another worker runs it again",
                delivery.id,
                delivery.channel,
                extra=about("handed_back", delivery),
            )
            self.channel_layer.requeue(delivery, counted=False)

    # What the process holds

    def held(self) -> list[Delivery]:
        """Return what threads run, or have run and not committed, and what waits here."""
        # Looked at twice: what goes from one place to another is in the second before it leaves
        # the first.
        return [*self._held(), *self._held()]

    def _held(self) -> Iterator[Delivery]:
        for place in (self.backlog, self.suspects, self.unfinished, self.postponed):
            yield from place.all()
        for worker in self.workers:
            if (running := worker.delivery) is not None:
                yield running
            yield from (finished.delivery for finished in tuple(worker.finished))

    def unknown(self, found: Sequence[Delivery], held_before: Sequence[Delivery]) -> list[Delivery]:
        """Return what of *found*, read from the layer, nobody here holds or held before that.

        What was held before may have been committed since.
        """
        known = {(each.channel, each.token) for each in (*held_before, *self.held())}
        return [each for each in found if (each.channel, each.token) not in known]

    def next(self, begin: Callable[[Delivery], None]) -> Delivery | None:
        """Take a delivery to run, None if there is none to be run now; *begin* marks it as run."""
        if self.suspects and self.quarantine.acquire(blocking=False):
            if (suspect := self.suspects.next(begin)) is not None:
                return suspect
            self.quarantine.release()
        while (delivery := self.backlog.next(begin)) is not None:
            if not delivery.deaths or self.quarantine.acquire(blocking=False):
                return delivery
            self.suspects.add([delivery], PATIENCE_ALONE)
        return None

    def hand_back(self, until: float = math.inf) -> None:
        """Give what has not begun, and is due *until* then, to other workers."""
        for backlog in (self.backlog, self.suspects):
            backlog.settle(partial(self.channel_layer.requeue, counted=False), until)

    def _put_back(self, delivery: Delivery, error: BaseException | None) -> None:
        put_back(delivery, self.channel_layer, error, self.failures)

    def finish_unfinished(self) -> None:
        """Finish what could not be committed: its consumer ran, and its connection is to go on."""
        self.unfinished.settle(self._finish)

    def _finish(self, delivery: Delivery) -> None:
        self.channel_layer.commit(undone(delivery, self.channel_layer))

    # The relief

    def relieve(self) -> None:
        """Let what waits be looked after, as a consumer begins that may take long."""
        if not self._crowded.is_set():
            self._crowded.set()

    def _relieve(self) -> None:
        attempts = Attempts(logger, "Helping on what waits", LONGEST_PAUSE)
        while self._crowded.wait() and not self.ended.is_set():
            self._crowded.clear()
            self.ended.wait(RELIEF_INTERVAL)
            try:
                self._help_on()
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                self.ended.wait(attempts.failed(error))
            else:
                attempts.succeeded()
            if self.backlog or self.suspects or any(worker.finished for worker in self.workers):
                self._crowded.set()

    def _help_on(self) -> None:
        """Do what threads that are in a consumer for long cannot do."""
        for worker in self.workers:
            self._overdue.attempt(worker.thread.name, worker.commit_overdue)
        if not all(worker.committing.locked() for worker in self.workers):
            self.hand_back(time.monotonic())


def filter_channels(
    channels: Iterable[str],
    only_channels: Sequence[str] | None,
    exclude_channels: Sequence[str] | None,
) -> list[str]:
    """Return the *channels* that match one of the globs to keep, and none of those to leave out.

    Raises :class:`ValueError` if none is left.
    """
    kept = sorted(
        channel
        for channel in channels
        if (not only_channels or _matches(channel, only_channels))
        and not _matches(channel, exclude_channels or ())
    )
    if not kept:
        raise ValueError(
            f"No channel is left to listen to. Routed are {', '.join(sorted(channels))}; to keep: "
            f"{_listed(only_channels, 'all')}; to leave out: {_listed(exclude_channels, 'none')}. "
            "Give globs that leave one of them."
        )
    return kept


def _listed(globs: Sequence[str] | None, otherwise: str) -> str:
    return ", ".join(globs or [otherwise])


def _matches(channel: str, globs: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(channel, glob) for glob in globs)
