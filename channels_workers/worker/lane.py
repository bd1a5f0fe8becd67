"""What a worker process does for one shard: it has a lane for each, and usually there is one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial

from channels_workers.backoff import BackoffEach
from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import STOPPED, Delivery, new_id, runs_once
from channels_workers.logs import fields
from channels_workers.worker.commit import dead_letter, put_back
from channels_workers.worker.delays import Delays
from channels_workers.worker.heartbeat import Heartbeat
from channels_workers.worker.identity import Identity
from channels_workers.worker.in_flight import InFlight
from channels_workers.worker.log_fields import delivery_fields
from channels_workers.worker.pulling import Pulling
from channels_workers.worker.reaper import Reaper
from channels_workers.worker.relief import Relief
from channels_workers.worker.retry_queue import RetryQueue
from channels_workers.worker.seated import SeatedWorker
from channels_workers.worker.thread import Job, Worker

logger = logging.getLogger(__name__)


class Lane:
    """The threads and duties of a process for *layer*, that of one shard.

    A shard that does not answer holds up its lane alone. *name* is the first name of the process
    there. *stopping* is set when nothing is pulled any more.
    """

    def __init__(
        self,
        layer: WorkerLayer,
        n_threads: int,
        job: Job,
        name: str,
        stopping: threading.Event,
        quarantine: threading.Lock,
    ) -> None:
        self.layer = layer
        self._channels = job.channels
        #: Set when nothing is tried again any more.
        self.ended = ended = threading.Event()
        retry_queue = RetryQueue(self._put_back)
        self.in_flight = in_flight = InFlight(n_threads, retry_queue, quarantine)
        self.identity = identity = Identity(n_threads, name)
        make = Worker if job.seats is None else partial(SeatedWorker, job.seats)
        self.workers: list[Worker] = [
            make(number, layer, job, in_flight, identity, stopping, ended)
            for number in range(n_threads)
        ]
        batches = [worker.batch for worker in self.workers]
        self.heartbeat = Heartbeat(layer, identity, in_flight, job.channels, stopping, job.since)
        self.relief = Relief(layer, in_flight, batches, ended)
        self.reaper = Reaper(layer.admin, lambda: identity.process)
        self.delays = Delays(layer)
        self.pulling: Pulling | None = None
        for duty in self.duties():
            duty.name = self.named(duty.name)

    def pull_logs(self, layer: WorkerLayer) -> None:
        """Bring here what other shards of *layer* have for this one."""
        shards, own = layer.shards, self.layer.shard
        if shards is not None and own is not None and not shards.is_immediate:
            self.pulling = Pulling(shards, own, self._new_token)

    def _new_token(self) -> str:
        # It is void when the layer does not know the process any more.
        return f"{self.identity.process}z{new_id()}"

    def named(self, duty: str) -> str:
        """Return the name of a thread with this *duty*."""
        shard = self.layer.shard
        return duty if shard is None else f"{duty} of shard {shard}"

    def start(self) -> None:
        """Start all threads and return."""
        self.heartbeat.start()
        self.relief.start()
        self.reaper.start()
        self.delays.start()
        if self.pulling is not None:
            self.pulling.start()
        for worker in self.workers:
            worker.thread.start()

    def stop_pulling(self) -> None:
        """Let nobody wait for the layer to know the process; see *stopping*."""
        self.identity.known.set()

    def late(self, deadline: float) -> list[Worker]:
        """Return the threads that still run at *deadline* (monotonic seconds)."""
        return [worker for worker in self.workers if not worker.thread.ends_by(deadline)]

    def end_by(self, deadline: float, leave_time: float) -> None:
        """Wait for running consumers to *deadline* (monotonic seconds), then leave the layer.

        That takes *leave_time* seconds, or all that is left.
        """
        late = self.late(deadline)
        self._leave(late, max(deadline, time.monotonic() + leave_time))

    def _leave(self, late: Sequence[Worker], deadline: float) -> None:
        """Hand back what is here, and let the layer forget the process."""
        handing_back = BackoffEach(logger, "Handing back the message of the thread")
        layer, in_flight = self.layer, self.in_flight
        try:
            in_flight.hand_back(layer)
            in_flight.retry_queue.stop(deadline)
            in_flight.finish_uncommitted(layer)
            for worker in late:
                self.relief.commit(worker.batch)
                handing_back.attempt(worker.thread.name, partial(self._hand_back_running, worker))
            self.end()
            if all(duty.ends_by(deadline) for duty in self._asking()):  # else one registers again
                consumers = [worker.consumer for worker in self.workers]
                layer.retire(self.identity.process, consumers, self._channels)
        except Exception as error:  # the process must end
            extra = fields("stop_failed", process_id=self.identity.process)
            is_away = isinstance(error, LayerUnavailable)
            why = str(error) if is_away else type(error).__name__
            text = "Stopping without leaving the layer: %s"
            logger.error(text, why, exc_info=None if is_away else error, extra=extra)

    def end(self) -> None:
        """Let all duties end."""
        self.ended.set()
        self.heartbeat.end()
        self.reaper.end()
        self.delays.end()
        if self.pulling is not None:
            self.pulling.end()
        self.in_flight.retry_queue.end()
        self.in_flight.crowded.set()

    def _asking(self) -> list[Duty]:
        """Return the threads that ask the layer by themselves, and no other shard."""
        asking = self.heartbeat, self.relief, self.reaper, self.delays
        return [each.thread for each in asking]

    def duties(self) -> list[Duty]:
        """Return all threads but those that run consumers."""
        pulling = [] if self.pulling is None else [self.pulling.thread, self.pulling.opening]
        return [self.in_flight.retry_queue.thread, *self._asking(), *pulling]

    def _hand_back_running(self, worker: Worker) -> None:
        delivery = worker.slot.running
        if delivery is None:
            return
        if runs_once(delivery):
            dead_letter(delivery, self.layer, STOPPED)
            return
        logger.error(
            "Message %s on %s did not finish in time; another worker runs it again",
            delivery.id,
            delivery.channel,
            extra=delivery_fields("handed_back", delivery),
        )
        self.layer.requeue(delivery, counted=False)

    def _put_back(self, delivery: Delivery, error: BaseException | None) -> None:
        put_back(delivery, self.layer, error, self.in_flight.failures)
