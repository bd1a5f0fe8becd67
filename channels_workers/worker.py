"""Workers: threads that pull messages, run their consumers and commit; source: Channels 1.1.8."""

from __future__ import annotations

import fnmatch
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from channels_workers.backlog import Backlog, Postponed
from channels_workers.backoff import Attempts
from channels_workers.conf import configuration
from channels_workers.dispatch import dispatch, finish, note, put_back
from channels_workers.event_loop import EventLoop
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import (
    About,
    Delivery,
    Finished,
    Operation,
    Pulse,
    Send,
    new_id,
    server_of,
)
from channels_workers.reaper import Reaper
from channels_workers.routing import Router, get_router
from channels_workers.signals import worker_ready

logger = logging.getLogger(__name__)

#: How long a pull waits, which bounds how long an idle worker takes to stop (s).
PULL_TIMEOUT = 1.0

#: How often the process pulses (s), and how long a delivery waits for a free thread (s).
PULSE_INTERVAL, BACKLOG_TIMEOUT = 1.0, 1.0

#: What ran may wait this long (s) for what runs after it, to be committed in one request with it;
#: so many messages at most.
TOGETHER, MOST_TOGETHER = 0.002, 32

#: How much a run counts for the pace of its thread if it was quicker; a slower one counts fully.
QUICKER = 0.01

Callback = Callable[[Delivery], None]

GONE = {
    Pulse.BURIED: "was taken for dead, and what it held went to others",
    Pulse.LOST: "is not known any more, as the layer has lost its data",
}


class Worker:
    """One thread that runs consumers, one message at a time.

    While messages wait, those of quick consumers are pulled several at once, and committed so.
    """

    def __init__(self, group: WorkerGroup, number: int) -> None:
        self.group = group
        self.number = number
        self.channel_layer = group.channel_layer
        self.delivery: Delivery | None = None
        #: What has run, and is not committed yet.
        self.finished: list[Finished] = []
        self.committing = threading.Lock()
        self._commit_by = 0.0  # monotonic seconds
        self._pace = TOGETHER  # seconds that a run takes, by experience
        self.thread = threading.Thread(target=self.run, name=f"worker {number}", daemon=True)

    @property
    def consumer(self) -> str:
        """The name that holds what this thread pulls."""
        return f"{self.group.process}.{self.number}"

    def run(self) -> None:
        """Pull and run messages until the group stops."""
        for receiver, error in worker_ready.send_robust(sender=self):
            if error is not None:
                logger.error("%r of worker_ready failed", receiver, exc_info=error)
        # All threads meet the same outage; the first of them speaks for them.
        attempts = Attempts(logger, "Waiting for messages", is_quiet=self.number > 0)
        while not self.group.stopping.is_set():
            try:
                delivery = self._next()
            except LayerUnavailable as error:
                self.group.stopping.wait(attempts.failed(error))
            except Exception as error:
                logger.exception("Waiting for messages failed")
                self.group.stopping.wait(attempts.failed(error))
            else:
                attempts.succeeded()
                if delivery is not None:
                    self._handle(delivery)
        self._commit()

    def _next(self) -> Delivery | None:
        if self.finished and time.monotonic() > self._commit_by:
            self._commit()
        return self.group.next() or self._pull()

    def _pull(self) -> Delivery | None:
        group, count = self.group, max(1, min(MOST_TOGETHER, int(TOGETHER / self._pace)))
        if self.finished and group.suspects:
            self._commit()
        if self.finished:
            self._commit_and_pull(count)
        else:
            found = self.channel_layer.pull(group.channels, self.consumer, PULL_TIMEOUT, count)
            # After a lost reply the layer gives again what this thread handed to others.
            group.backlog.add([each for each in found if not group.holds(each)])
        return None if group.stopping.is_set() else group.next()

    # Running

    def _handle(self, delivery: Delivery) -> None:
        self.delivery = delivery
        if delivery.deaths:
            self._clear_the_way()
        self._call_back(delivery)
        layer, group = self.channel_layer, self.group
        began = time.monotonic()
        try:
            outcome = dispatch(delivery, layer, group.router, group.loop.run)
            if outcome.is_put_off:
                group.postponed.add(delivery)
            else:
                self._finish(outcome.of(delivery))
        except Exception:
            logger.exception("Message %s on %s is not finished yet", delivery.id, delivery.channel)
            group.unfinished.add([delivery])
        finally:
            self._keep_pace(time.monotonic() - began)
            self.delivery = None
            if delivery.deaths:
                group.quarantine.release()

    def _clear_the_way(self) -> None:
        """Hold nothing else while a message runs whose worker died: that would count as a death."""
        self._commit()
        try:
            self.group.hand_back()
        except Exception as error:  # noqa: BLE001  (logged; the keeper tries again)
            logger.warning("What waits in this process is handed back later: %s", error)

    def _keep_pace(self, seconds: float) -> None:
        self._pace += (seconds - self._pace) * (1.0 if seconds > self._pace else QUICKER)

    def _call_back(self, delivery: Delivery) -> None:
        if self.group.callback is None:
            return
        try:
            self.group.callback(delivery)
        except Exception:
            logger.exception("The callback for message %s failed", delivery.id)

    # Committing

    def _finish(self, finished: Finished) -> None:
        """Commit, together with what runs next if that is fit."""
        if not self.finished:
            self._commit_by = time.monotonic() + TOGETHER
        self.finished.append(finished)
        delivery = finished.delivery
        # What is pulled beside a commit that is refused would lose its place in its channel.
        may_be_refused = any(map(is_to_ordinary, finished.operations))
        if may_be_refused or delivery.deaths or delivery.consumer != self.consumer:
            self._commit()

    def _commit(self) -> None:
        """Commit what has run, one by one; it lasts until each is done."""
        with self.committing:
            self._commit_each()

    def _commit_each(self) -> None:
        while self.finished:
            try:
                finish(self.finished[0], self.channel_layer)
            except Exception:
                delivery = self.finished[0].delivery
                logger.exception("Message %s is not finished yet", delivery.id)
                self.group.unfinished.add([delivery])
            del self.finished[0]

    def _commit_and_pull(self, count: int) -> None:
        """Commit what has run, and in the same request wait for what comes next."""
        group, layer = self.group, self.channel_layer
        with self.committing:
            try:
                done = layer.commit_and_pull(
                    self.finished, group.channels, PULL_TIMEOUT, count, group.backlog.add
                )
            except Exception as error:  # noqa: BLE001  (each is tried again)
                done = [error] * len(self.finished)
            pairs = zip(self.finished, done, strict=True)
            failed = []
            for finished, committed in pairs:
                if isinstance(committed, Exception):
                    failed.append(finished)
                else:
                    note(committed, finished.delivery)
            self.finished[:] = failed
            self._commit_each()

    def commit_overdue(self) -> None:
        """Commit what waits behind a consumer that takes long; another thread calls this."""
        if self.finished and self.committing.acquire(blocking=False):
            try:
                while self.finished:
                    self.channel_layer.commit(*self.finished[0])
                    del self.finished[0]
            finally:
                self.committing.release()


class WorkerGroup:
    """The workers of one process, its pulse, and what it has pulled but not begun.

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
        self.process = new_id()
        self.loop = EventLoop()
        self.stopping = threading.Event()
        self._ended = threading.Event()
        self.backlog = Backlog()
        self.unfinished = Backlog()
        self.postponed = Postponed(lambda delivery: put_back(delivery, channel_layer))
        #: A message whose worker died runs here when no other such message does: it may kill again.
        self.suspects = Backlog()
        self.quarantine = threading.Lock()
        self.workers = [Worker(self, number) for number in range(n_threads)]
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._reaper = Reaper(channel_layer, lambda: self.process)

    # Life

    def start(self) -> None:
        """Start all threads and return."""
        self._keeper.start()
        self._reaper.start()
        for worker in self.workers:
            worker.thread.start()

    def run(self) -> None:
        """Start, and return when :meth:`stop` was called and all is done."""
        self.start()
        self.stopping.wait()
        self.join()

    def stop(self) -> None:
        """Begin to stop: pull no more."""
        self.stopping.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the consumers under way; say whether all of them finished.

        *timeout* is in seconds, by default ``CHANNEL_WORKERS["STOP_TIMEOUT"]``.
        """
        # The order matters: nothing is pulled any more, what runs finishes, what never began
        # goes back to the others; then the pulse may stop and the process may be forgotten.
        limit = configuration().STOP_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + limit
        for worker in self.workers:
            worker.thread.join(max(0.0, deadline - time.monotonic()))
        late = [worker for worker in self.workers if worker.thread.is_alive()]
        try:
            self.hand_back()
            self.postponed.stop()
            self._finish_unfinished()
            for worker in late:
                worker.commit_overdue()
                self._give_up(worker)
            self._ended.set()
            self._keeper.join()
            self._reaper.stop()
            consumers = [worker.consumer for worker in self.workers]
            self.channel_layer.retire(self.process, consumers, self.channels)
        except Exception as error:  # noqa: BLE001  (logged; the process must end)
            logger.error("Stopping without a goodbye: %s", error)
        self._ended.set()
        if not late:
            self.loop.stop()
        return not late

    def _give_up(self, worker: Worker) -> None:
        delivery = worker.delivery
        if delivery is not None:
            logger.error(
                "Message %s on %s did not finish in time; another worker runs it again",
                delivery.id,
                delivery.channel,
            )
            self.channel_layer.requeue(delivery, counted=False)

    # The keeper

    def _keep(self) -> None:
        # Others must not take a process for dead that only waits for its next attempt.
        attempts = Attempts(logger, "Keeping this worker registered", PULSE_INTERVAL)
        registered = False
        while not self._ended.is_set():
            try:
                if registered and (pulse := self.channel_layer.pulse(self.process)) in GONE:
                    logger.error("This worker %s; it goes on under a new name", GONE[pulse])
                    if pulse is Pulse.LOST:  # others clean up what was handed to the old name since
                        self._register()
                    self.process, registered = new_id(), False
                if not registered:
                    self._register()
                    registered = True
                self._help_on()
            except Exception as error:  # noqa: BLE001  (logged; the keeper must go on)
                self._ended.wait(attempts.failed(error))
            else:
                attempts.succeeded()
                self._ended.wait(PULSE_INTERVAL)

    def _help_on(self) -> None:
        """Do what threads that are in a consumer for long cannot do."""
        for worker in self.workers:
            worker.commit_overdue()
        if not all(worker.committing.locked() for worker in self.workers):
            self.hand_back(time.monotonic() - BACKLOG_TIMEOUT)
        self._finish_unfinished()

    def _register(self) -> None:
        about = About.this("worker", len(self.workers), self.channels)
        self.channel_layer.register(self.process, about)

    def holds(self, delivery: Delivery) -> bool:
        """Say whether a thread runs *delivery*, or whether it waits here."""
        for worker in self.workers:
            if delivery == worker.delivery or delivery in [each[0] for each in worker.finished]:
                return True
        kept = (self.backlog, self.suspects, self.unfinished, self.postponed)
        return any(delivery in backlog for backlog in kept)

    def next(self) -> Delivery | None:
        """Take a delivery to run, None if there is none to be run now."""
        if self.suspects and self.quarantine.acquire(blocking=False):
            if (suspect := self.suspects.next()) is not None:
                return suspect
            self.quarantine.release()
        while (delivery := self.backlog.next()) is not None:
            if not delivery.deaths or self.quarantine.acquire(blocking=False):
                return delivery
            self.suspects.add([delivery])
        return None

    def hand_back(self, before: float = math.inf) -> None:
        """Give what came *before* (monotonic seconds), and has not begun, to other workers."""
        for backlog in (self.backlog, self.suspects):
            with backlog.each(before) as deliveries:
                for delivery in deliveries:
                    self.channel_layer.requeue(delivery, counted=False)

    def _finish_unfinished(self) -> None:
        # Its consumer ran; without what it did, at least its connection goes on.
        with self.unfinished.each() as deliveries:
            for delivery in deliveries:
                self.channel_layer.commit(delivery)


def is_to_ordinary(operation: Operation) -> bool:
    """Say whether *operation* sends to a channel that may be full: to none of a socket."""
    return isinstance(operation, Send) and server_of(operation.channel) is None


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
