"""The worker threads of one process, and how they start and stop; source: Channels 1.1.8."""

from __future__ import annotations

import fnmatch
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from functools import partial

from channels_workers import exporter, recorder
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration, http_by_workers
from channels_workers.http.places import Places
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    RESUME,
    new_id,
)
from channels_workers.log_limits import limit_lines
from channels_workers.logs import fields
from channels_workers.message import Consumer
from channels_workers.relay.relays import Relays
from channels_workers.routing import Router, get_router
from channels_workers.staticfiles import default_http_consumer
from channels_workers.worker.event_loop import EventLoop
from channels_workers.worker.identity import Identity
from channels_workers.worker.in_flight import InFlight
from channels_workers.worker.lane import Lane
from channels_workers.worker.relief import Relief
from channels_workers.worker.seats import Seats
from channels_workers.worker.thread import Callback, Job, Worker
from channels_workers.worker.watch import Watch

logger = logging.getLogger(__name__)

#: How long a stopping process takes, after its consumers, to hand back what it holds and to leave
#: the layer (s).
LEAVE_TIME = 3.0

#: The interval of looks whether a shard knows the process (s).
KNOWN_INTERVAL = 0.05

CONNECTION_CHANNELS = frozenset((CONNECT, RECEIVE, DISCONNECT, RESUME, REQUEST, REQUEST_DISCONNECT))


class WorkerGroup:
    """The worker threads of one process.

    *only_channels* and *exclude_channels* are globs of channel names; *callback* is called
    with each delivery before it runs. Raises :class:`ValueError` without a thread or a channel.
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
        self.channel_layer = layer = channel_layer
        self.router = router or worker_router()
        _ = self.router.middleware  # an error in it ends the process now, not each message
        self.channels = filter_channels(
            self.router.channels_and_defaults, only_channels, exclude_channels
        )
        self.loop = EventLoop()
        #: Set when nothing is pulled any more.
        self.stopping = threading.Event()
        #: Set when the process leaves the layer.
        self.ended = threading.Event()
        job = self._job(n_threads, callback)
        name, quarantine = new_id(), threading.Lock()
        self.n_threads = n_threads
        self.lanes = [
            Lane(shard, n_threads, job, name, self.stopping, quarantine) for shard in layer.lanes()
        ]
        self.workers = [worker for lane in self.lanes for worker in lane.workers]
        self.watch = Watch(self.workers, self.loop, self.router, self.ended)
        for lane in self.lanes:
            lane.heartbeat.running = partial(self.watch.running, lane.workers)
            lane.pull_logs(layer)
        self._relays = Relays()
        if (found := recorder.instruments()) is not None:
            found.worker.watch(self.channels, lambda: n_threads, self.busy, self.watch.slow)

    def _job(self, n_threads: int, callback: Callback | None) -> Job:
        # One thread alone runs the messages of a channel in order. Messages of a connection need no
        # care: one at a time is in flight.
        keeps_order = n_threads == 1 and not CONNECTION_CHANNELS.issuperset(self.channels)
        layer = self.channel_layer
        return Job(
            layer,
            self.channels,
            self.router,
            self.loop.run,
            callback,
            keeps_order,
            Places(n_threads),
            Seats(n_threads) if len(layer.lanes()) > 1 else None,
        )

    @property
    def process(self) -> str:
        """The name of this process in the layer, or on its first shard; it may change."""
        return self.identity.process

    @property
    def identity(self) -> Identity:
        """The name of this process in the layer, or on its first shard."""
        return self.lanes[0].identity

    @property
    def in_flight(self) -> InFlight:
        """What this process holds, or holds of its first shard."""
        return self.lanes[0].in_flight

    @property
    def relief(self) -> Relief:
        """What looks after deliveries that wait, or those of the first shard."""
        return self.lanes[0].relief

    def busy(self) -> int:
        """Return how many threads run something.

        What waits for a commit in one lane does not count beside consumers of others.
        """
        return min(self.n_threads, sum(lane.in_flight.busy() for lane in self.lanes))

    # Start and stop

    def start(self) -> None:
        """Start all threads and return."""
        if http_by_workers():
            limit_lines()  # as Django writes here what clients cause
        exporter.joined("worker", self.channel_layer)
        for lane in self.lanes:
            lane.start()
        self._relays.start()
        self.watch.start()

    def run(self) -> None:
        """Start, and return when :meth:`stop` was called and all is done."""
        self.start()
        self.stopping.wait()
        self.join()

    def wait_until_known(self) -> None:
        """Return when the layer, or a shard of it, knows this process, or when it stops."""
        while not any(lane.identity.known.is_set() for lane in self.lanes):
            self.lanes[0].identity.known.wait(None if len(self.lanes) == 1 else KNOWN_INTERVAL)

    def stop(self) -> None:
        """Begin to stop: pull no more."""
        self.stopping.set()
        for lane in self.lanes:
            lane.stop_pulling()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for running consumers; return whether all of them finished.

        *timeout* is in seconds, by default ``CHANNEL_WORKERS["STOP_TIMEOUT"]``.
        """
        # The order matters: pulls have ended, running consumers finish, deliveries that never began
        # go to other workers. Only then may heartbeats stop, and the layer forget the process.
        limit = configuration().STOP_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + limit
        # In threads: a layer that takes a request and does not answer blocks its caller. So a lane
        # whose shard does not answer holds up no other.
        leaving = [
            Duty(lane.named("leaving the layer"), partial(lane.end_by, deadline, LEAVE_TIME))
            for lane in self.lanes
        ]
        for duty in leaving:
            duty.start()
        late = [worker for lane in self.lanes for worker in lane.late(deadline)]
        self._relays.end()
        deadline = max(deadline, time.monotonic() + LEAVE_TIME)
        for duty in leaving:
            duty.ends_by(deadline)
        self._end()
        if not late:
            self.loop.stop(deadline)
        self._log_late(late, leaving, deadline)
        return not late

    def _log_late(self, late: Sequence[Worker], leaving: Sequence[Duty], deadline: float) -> None:
        """Log which threads still run: other workers get their messages when the process ends."""
        duties = [*leaving, *(duty for lane in self.lanes for duty in lane.duties())]
        duties += [*self._relays.threads, self.watch.thread]
        duties += [] if late else [self.loop.thread]
        names = [worker.thread.name for worker in late if worker.thread.is_alive()]
        names += [duty.name for duty in duties if not duty.ends_by(deadline)]
        if names:
            text, extra = "These threads have not ended: %s", fields("stop_failed")
            logger.error(text, ", ".join(names), extra=extra)

    def _end(self) -> None:
        self.ended.set()
        for lane in self.lanes:
            lane.end()
        self._relays.end()


def worker_router(http_consumer: Consumer | None = None) -> Router:
    """Return a router for ``CHANNEL_ROUTING``, and for HTTP if that goes to workers.

    *http_consumer* takes the requests of no route.
    """
    router = get_router()
    if http_by_workers():
        router.check_default(http_consumer or default_http_consumer())
    return router


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
