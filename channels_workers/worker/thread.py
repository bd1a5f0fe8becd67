"""One thread of a worker process: it pulls messages, runs their consumers and commits."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from channels_workers.backoff import Backoff
from channels_workers.concurrency import forks
from channels_workers.concurrency.threads import Duty
from channels_workers.http.places import Places, current_places
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import REQUEST, Delivery, Finished, runs_once
from channels_workers.logs import fields
from channels_workers.middleware import RunCoroutine
from channels_workers.routing import Router
from channels_workers.signals import worker_ready
from channels_workers.transient import is_retried
from channels_workers.worker.batch import PULL_TIMEOUT, Batch
from channels_workers.worker.commit import NotHeld, check_held, dead_letter, quarantine
from channels_workers.worker.dispatch import Outcome, dispatch
from channels_workers.worker.identity import Identity
from channels_workers.worker.in_flight import InFlight
from channels_workers.worker.isolation import open_caches
from channels_workers.worker.log_fields import delivery_fields
from channels_workers.worker.pace import Pace, look_at_thread
from channels_workers.worker.retries import without_frames
from channels_workers.worker.runs import recorded
from channels_workers.worker.seats import Seats

logger = logging.getLogger(__name__)

Callback = Callable[[Delivery], None]


@dataclass(frozen=True)
class Job:
    """What the threads of a process do: run the messages of *channels* by *router*.

    Consumers act on *channel_layer*. *callback* gets each delivery before its run. A job that
    *keeps_order* pulls one message at a time. Responses that wait hold *places*. Where the layer
    has several shards, running consumers have *seats*. The process began *since* then (Unix time,
    s).
    """

    channel_layer: WorkerLayer
    channels: Sequence[str]
    router: Router
    run_coroutine: RunCoroutine
    callback: Callback | None = None
    keeps_order: bool = False
    places: Places = field(default_factory=Places)
    seats: Seats | None = None
    since: float = field(default_factory=lambda: round(time.time(), 3))


class Worker:
    """A thread that runs consumers, one message at a time.

    While messages wait, it pulls those of quick consumers several at once, and commits them so,
    in *layer*: the layer of its job, or one shard of that. *stopping* is set when it must pull no
    more, *ended* when nothing is tried again.
    """

    def __init__(
        self,
        number: int,
        layer: WorkerLayer,
        job: Job,
        in_flight: InFlight,
        identity: Identity,
        stopping: threading.Event,
        ended: threading.Event,
    ) -> None:
        self.number = number
        self.channel_layer = job.channel_layer
        self.router = job.router
        self._layer = layer
        self.stopping = stopping
        self.slot = in_flight.slots[number]
        name = f"worker {number}" if layer.shard is None else f"worker {layer.shard}.{number}"
        self.batch = Batch(name, layer, in_flight, self.slot, ended)
        self._job = job
        self._rest = ended.wait
        self._in_flight = in_flight
        self._take_up = in_flight.next_of
        self._identity = identity
        self._pace = Pace(look_at_thread())
        self._process = forks.current
        #: The last message had lost a worker: the next one may have, too, and is pulled alone.
        self._is_careful = False
        self._dispatch = recorded(dispatch, layer.clock)
        self.thread = Duty(self.batch.name, self.run)

    @property
    def consumer(self) -> str:
        """The name that holds the deliveries of this thread."""
        return self._identity.consumers[self.number]

    def run(self) -> None:
        """Pull and run messages until the process stops."""
        open_caches()
        current_places.set(self._job.places)
        self._announce()
        # All threads meet the same outage; the first one logs it.
        level = logging.DEBUG if self.number else logging.ERROR
        backoff = Backoff(logger, "Waiting for messages", log_level=level)
        while not self.stopping.is_set():
            try:
                delivery = self._next()
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                self.stopping.wait(backoff.failed(error))
            else:
                if backoff.failures:
                    backoff.succeeded()
                if delivery is not None:
                    self._handle(delivery)
        self.batch.commit()

    def _announce(self) -> None:
        for receiver, error in worker_ready.send_robust(sender=self):
            if error is not None:
                text = "%r of worker_ready failed"
                logger.error(text, receiver, exc_info=error, extra=fields("receiver_failed"))

    def _next(self) -> Delivery | None:
        batch, in_flight = self.batch, self._in_flight
        if batch.finished and time.monotonic() > batch.due:
            batch.commit()
        waits = in_flight.backlog.waiting or in_flight.quarantined.waiting
        if waits and (delivery := in_flight.next(self.slot)) is not None:
            return delivery
        if self._identity.known.is_set():
            return self._pull()
        self._wait_until_known()
        return None

    def _wait_until_known(self) -> None:
        self.batch.commit()
        self._identity.known.wait()

    def _pull(self) -> Delivery | None:
        batch, job, in_flight = self.batch, self._job, self._in_flight
        count = 1 if job.keeps_order or self._is_careful else self._pace.count
        if batch.finished and in_flight.quarantined.waiting:
            batch.commit()
        if batch.finished:
            found = batch.commit_and_pull(job.channels, count)
        else:
            # After a lost reply the layer gives again what this thread handed to others.
            before = in_flight.all()
            found = self._layer.pull(job.channels, self.consumer, PULL_TIMEOUT, count)
            found = in_flight.unknown(found, before)
        if len(found) > 1 or count == 1:
            self._pace.look()
        if not self.stopping.is_set():
            return self._take_up(found, count, self.slot)
        if found:  # other threads may be in slow consumers: hand it back before they are done
            in_flight.backlog.add(found)
            in_flight.crowded.set()
        return None

    # Running

    def _handle(self, delivery: Delivery) -> None:
        in_flight, job = self._in_flight, self._job
        self._is_careful = delivery.deaths > 0
        if delivery.deaths and not self._begin_quarantine(delivery):
            return
        if self.batch.finished or in_flight.backlog.waiting:
            in_flight.crowded.set()
        if job.callback is not None:
            self._call_back(job.callback, delivery)
        began, waited = time.monotonic(), 0.0
        try:
            layer, rest = self.channel_layer, self._rest
            run = self._dispatch_request if delivery.channel == REQUEST else self._dispatch
            outcome = run(delivery, layer, job.router, job.run_coroutine, rest)
            waited = outcome.waited
            if self._process is not forks.current:
                self._end_stray_child(delivery)
            if outcome.error is None or not self._put_aside(outcome, delivery):
                effects = outcome.operations, outcome.session, outcome.ends
                finished = Finished(delivery, *effects, outcome.trace)
                self.batch.add(finished, self._identity.consumers[self.number])
        except BaseException:  # a receiver of a signal may call sys.exit()
            text = "Message %s on %s is not finished yet"
            extra = delivery_fields("not_finished", delivery)
            logger.exception(text, delivery.id, delivery.channel, extra=extra)
            in_flight.uncommitted.add([delivery])
        finally:
            self._pace.note(time.monotonic() - began, waited)
            self.slot.running = None
            if delivery.deaths:
                in_flight.end_quarantine()

    def _dispatch_request(self, delivery: Delivery, *arguments: Any) -> Outcome:
        """Do as :func:`dispatch`, unless *delivery* runs once and is not held any more."""
        if runs_once(delivery) and not self._identity.surely_holds(delivery.consumer):
            try:
                check_held(delivery, self.channel_layer, self._rest)
            except NotHeld as error:
                return Outcome([], error=error)
        return self._dispatch(delivery, *arguments)

    def _put_aside(self, outcome: Outcome, delivery: Delivery) -> bool:
        """Dead-letter an unreadable message, let one that is put off wait; say if this is done."""
        if outcome.unreadable is not None:
            dead_letter(delivery, self.channel_layer, str(outcome.unreadable))
        elif outcome.is_put_off:
            if is_retried(outcome.error):
                self._in_flight.failures.failed(delivery, outcome.error)
            self._in_flight.retry_queue.add(delivery, without_frames(outcome.error))
        else:
            return isinstance(outcome.error, NotHeld)
        return True

    def _end_stray_child(self, delivery: Delivery) -> None:
        """End a child that a consumer forked and that returned: it is no second worker."""
        logger.error(
            "The consumer of message %s forked, and its child returned, so the child ends here. "
            "End the child in the consumer, with os._exit()",
            delivery.id,
            extra=delivery_fields("consumer_failed", delivery),
        )
        os._exit(1)

    def _log_deaths(self, delivery: Delivery) -> None:
        logger.warning(
            "Message %s on %s was handed to this worker: its worker died (%d times so far)",
            delivery.id,
            delivery.channel,
            delivery.deaths,
            extra=delivery_fields("handed_over", delivery),
        )

    def _begin_quarantine(self, delivery: Delivery) -> bool:
        """Get ready to run *delivery*, which may kill this worker, too; return whether it may run.

        The layer notes that it begins: only with this note its next death counts.
        """
        self._log_deaths(delivery)
        self._hold_nothing_else()
        if quarantine(delivery, self.channel_layer, self._rest):
            return True
        self.slot.running = None
        self._in_flight.end_quarantine()
        return False

    def _hold_nothing_else(self) -> None:
        """Commit and hand back everything else: the next death would make it a suspect, too."""
        self.batch.commit()
        try:
            self._in_flight.hand_back(self._layer)
        except Exception as error:  # noqa: BLE001  (logged; the relief tries again)
            text = "The backlog of this process is handed back later: %s"
            logger.warning(text, error, extra=fields("trying_again"))

    def _call_back(self, callback: Callback, delivery: Delivery) -> None:
        try:
            callback(delivery)
        except Exception:
            extra = delivery_fields("receiver_failed", delivery)
            logger.exception("The callback for message %s failed", delivery.id, extra=extra)
