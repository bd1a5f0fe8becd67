"""The worker threads of one process, and how they start and stop; source: Channels 1.1.8."""

from __future__ import annotations

import fnmatch
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from functools import partial

from channels_workers import exporter, recorder
from channels_workers.backoff import BackoffEach
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration, http_by_workers
from channels_workers.exceptions import LayerUnavailable
from channels_workers.http.places import Places
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    RESUME,
    STOPPED,
    Delivery,
    runs_once,
)
from channels_workers.log_limits import limit_lines
from channels_workers.logs import fields
from channels_workers.message import Consumer
from channels_workers.relay.relays import Relays
from channels_workers.routing import Router, get_router
from channels_workers.staticfiles import default_http_consumer
from channels_workers.worker.commit import dead_letter, put_back
from channels_workers.worker.delays import Delays
from channels_workers.worker.event_loop import EventLoop
from channels_workers.worker.heartbeat import Heartbeat
from channels_workers.worker.identity import Identity
from channels_workers.worker.in_flight import InFlight
from channels_workers.worker.log_fields import delivery_fields
from channels_workers.worker.reaper import Reaper
from channels_workers.worker.relief import Relief
from channels_workers.worker.retry_queue import RetryQueue
from channels_workers.worker.thread import Callback, Job, Worker
from channels_workers.worker.watch import Watch

logger = logging.getLogger(__name__)

#: How long a stopping process takes, after its consumers, to hand back what it holds and to leave
#: the layer (s).
LEAVE_TIME = 3.0

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
        self.stopping = stopping = threading.Event()
        #: Set when nothing is tried again any more.
        self.ended = ended = threading.Event()
        self.in_flight = in_flight = InFlight(n_threads, RetryQueue(self._put_back))
        self.identity = identity = Identity(n_threads)
        job = self._job(n_threads, callback)
        self.workers = [
            Worker(number, layer, job, in_flight, identity, stopping, ended)
            for number in range(n_threads)
        ]
        batches = [worker.batch for worker in self.workers]
        self.watch = Watch(self.workers, self.loop, self.router, ended)
        running = self.watch.running
        self._heartbeat = Heartbeat(layer, identity, in_flight, self.channels, stopping, running)
        self.relief = Relief(layer, in_flight, batches, ended)
        self._reaper = Reaper(layer.admin, lambda: self.process)
        self._delays = Delays(layer)
        self._relays = Relays()
        if (found := recorder.instruments()) is not None:
            found.worker.watch(self.channels, lambda: n_threads, in_flight.busy, self.watch.slow)

    def _job(self, n_threads: int, callback: Callback | None) -> Job:
        # One thread alone runs the messages of a channel in order. Messages of a connection need no
        # care: one at a time is in flight.
        keeps_order = n_threads == 1 and not CONNECTION_CHANNELS.issuperset(self.channels)
        places = Places(n_threads)
        return Job(self.channels, self.router, self.loop.run, callback, keeps_order, places)

    @property
    def process(self) -> str:
        """The name of this process in the layer, which may change."""
        return self.identity.process

    # Start and stop

    def start(self) -> None:
        """Start all threads and return."""
        if http_by_workers():
            limit_lines()  # as Django writes here what clients cause
        exporter.joined("worker", self.channel_layer)
        self._heartbeat.start()
        self.relief.start()
        self._reaper.start()
        self._delays.start()
        self._relays.start()
        for worker in self.workers:
            worker.thread.start()
        self.watch.start()

    def run(self) -> None:
        """Start, and return when :meth:`stop` was called and all is done."""
        self.start()
        self.stopping.wait()
        self.join()

    def wait_until_known(self) -> None:
        """Return when the layer knows this process, or when it stops."""
        self.identity.known.wait()

    def stop(self) -> None:
        """Begin to stop: pull no more."""
        self.stopping.set()
        self.identity.known.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for running consumers; return whether all of them finished.

        *timeout* is in seconds, by default ``CHANNEL_WORKERS["STOP_TIMEOUT"]``.
        """
        # The order matters: pulls have ended, running consumers finish, deliveries that never began
        # go to other workers. Only then may heartbeats stop, and the layer forget the process.
        limit = configuration().STOP_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + limit
        late = [worker for worker in self.workers if not worker.thread.ends_by(deadline)]
        deadline = max(deadline, time.monotonic() + LEAVE_TIME)
        # In a thread: a layer that takes a request and does not answer blocks its caller.
        leaving = Duty("leaving the layer", partial(self._leave, late, deadline))
        leaving.start()
        leaving.ends_by(deadline)
        self._end()
        if not late:
            self.loop.stop(deadline)
        self._log_late(late, leaving, deadline)
        return not late

    def _leave(self, late: Sequence[Worker], deadline: float) -> None:
        handing_back = BackoffEach(logger, "Handing back the message of the thread")
        layer, in_flight = self.channel_layer, self.in_flight
        try:
            in_flight.hand_back(layer)
            in_flight.retry_queue.stop(deadline)
            in_flight.finish_uncommitted(layer)
            for worker in late:
                self.relief.commit(worker.batch)
                handing_back.attempt(worker.thread.name, partial(self._hand_back_running, worker))
            self._end()
            duties = (
                self._heartbeat.join,
                self.relief.thread.ends_by,
                self._reaper.stop,
                self._delays.stop,
                self._relays.stop,
            )
            if all(has_ended(deadline) for has_ended in duties):  # else one may register again
                consumers = [worker.consumer for worker in self.workers]
                layer.retire(self.process, consumers, self.channels)
        except Exception as error:  # the process must end
            extra = fields("stop_failed", process_id=self.process)
            is_away = isinstance(error, LayerUnavailable)
            why = str(error) if is_away else type(error).__name__
            text = "Stopping without leaving the layer: %s"
            logger.error(text, why, exc_info=None if is_away else error, extra=extra)

    def _log_late(self, late: Sequence[Worker], leaving: Duty, deadline: float) -> None:
        """Log which threads still run: other workers get their messages when the process ends."""
        retries = self.in_flight.retry_queue.thread
        duties = [leaving, self._heartbeat.thread, self.relief.thread, self._reaper.thread]
        duties += [self._delays.thread, *self._relays.threads, self.watch.thread]
        duties += [retries] if late else [retries, self.loop.thread]
        names = [worker.thread.name for worker in late if worker.thread.is_alive()]
        names += [duty.name for duty in duties if not duty.ends_by(deadline)]
        if names:
            text, extra = "These threads have not ended: %s", fields("stop_failed")
            logger.error(text, ", ".join(names), extra=extra)

    def _end(self) -> None:
        self.ended.set()
        self._heartbeat.end()
        self._reaper.end()
        self._delays.end()
        self._relays.end()
        self.in_flight.retry_queue.end()
        self.in_flight.crowded.set()

    def _hand_back_running(self, worker: Worker) -> None:
        delivery = worker.slot.running
        if delivery is None:
            return
        if runs_once(delivery):
            dead_letter(delivery, self.channel_layer, STOPPED)
            return
        logger.error(
            "Message %s on %s did not finish in time; another worker runs it again",
            delivery.id,
            delivery.channel,
            extra=delivery_fields("handed_back", delivery),
        )
        self.channel_layer.requeue(delivery, counted=False)

    def _put_back(self, delivery: Delivery, error: BaseException | None) -> None:
        put_back(delivery, self.channel_layer, error, self.in_flight.failures)


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
