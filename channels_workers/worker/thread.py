"""One thread of a worker: it pulls messages, runs their consumers and commits what they did."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from channels_workers.backoff import Attempts
from channels_workers.concurrency import forks
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.types import Delivery, Finished, Operation, Send, server_of
from channels_workers.logs import about, fields
from channels_workers.signals import worker_ready
from channels_workers.transient import is_retried
from channels_workers.worker.commit import Ended, dead_letter, finish, note
from channels_workers.worker.dispatch import Outcome, dispatch
from channels_workers.worker.retries import without_frames

if TYPE_CHECKING:
    from channels_workers.worker.group import WorkerGroup

logger = logging.getLogger(__name__)

#: How long a pull waits, which bounds how long an idle worker takes to stop (s).
PULL_TIMEOUT = 1.0

#: What ran may wait this long (s) for what runs after it, to be committed in one request with it;
#: so many messages at most.
TOGETHER, MOST_TOGETHER = 0.002, 32

#: What was pulled together with others is handed back when it has waited so long (s), as its thread
#: is in a consumer that takes longer than expected; what was pulled alone waits longer.
PATIENCE, PATIENCE_ALONE = 0.05, 1.0

#: How much a run counts for the pace of its thread if it was quicker; a slower one counts fully.
QUICKER = 0.01


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
        self._process = forks.current
        self.thread = Duty(f"worker {number}", self.run)

    @property
    def consumer(self) -> str:
        """The name that holds what this thread pulls."""
        return f"{self.group.process}.{self.number}"

    def run(self) -> None:
        """Pull and run messages until the group stops."""
        for receiver, error in worker_ready.send_robust(sender=self):
            if error is not None:
                text = "%r of worker_ready failed"
                logger.error(text, receiver, exc_info=error, extra=fields("receiver_failed"))
        # All threads meet the same outage; the first of them speaks for them.
        attempts = Attempts(logger, "Waiting for messages", is_quiet=self.number > 0)
        while not self.group.stopping.is_set():
            try:
                delivery = self._next()
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                self.group.stopping.wait(attempts.failed(error))
            else:
                attempts.succeeded()
                if delivery is not None:
                    self._handle(delivery)
        self._commit()

    def _next(self) -> Delivery | None:
        if self.finished and time.monotonic() > self._commit_by:
            self._commit()
        if (delivery := self._take()) is not None:
            return delivery
        if self.group.is_known:
            return self._pull()
        self._commit()
        self.group.wait_until_known()
        return None

    def _take(self) -> Delivery | None:
        delivery = self.group.next(self._begin)
        self.delivery = delivery
        return delivery

    def _begin(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def _pull(self) -> Delivery | None:
        group, count = self.group, self._count()
        keep = partial(group.backlog.add, patience=PATIENCE if count > 1 else PATIENCE_ALONE)
        if self.finished and group.suspects:
            self._commit()
        if self.finished:
            self._commit_and_pull(count, keep)
        else:
            # After a lost reply the layer gives again what this thread handed to others.
            held_before = group.held()
            found = self.channel_layer.pull(group.channels, self.consumer, PULL_TIMEOUT, count)
            keep(group.unknown(found, held_before))
        return None if group.stopping.is_set() else self._take()

    def _count(self) -> int:
        """Return how many messages to pull at once."""
        if self.group.keeps_order:
            return 1
        return max(1, min(MOST_TOGETHER, int(TOGETHER / self._pace)))

    # Running

    def _handle(self, delivery: Delivery) -> None:
        if delivery.deaths:
            self._tell_of_deaths(delivery)
            self._clear_the_way()
        if self.finished or self.group.backlog:
            self.group.relieve()
        if self.group.callback is not None:
            self._call_back(self.group.callback, delivery)
        layer, group = self.channel_layer, self.group
        began = time.monotonic()
        try:
            outcome = dispatch(delivery, layer, group.router, group.loop.run)
            self._end_stray_child(delivery)
            self._settle(outcome, delivery)
        except BaseException:  # a receiver of a signal may call sys.exit()
            text, extra = "Message %s on %s is not finished yet", about("not_finished", delivery)
            logger.exception(text, delivery.id, delivery.channel, extra=extra)
            group.unfinished.add([delivery])
        finally:
            self._keep_pace(time.monotonic() - began)
            self.delivery = None
            if delivery.deaths:
                group.quarantine.release()

    def _settle(self, outcome: Outcome, delivery: Delivery) -> None:
        if outcome.unreadable is not None:
            dead_letter(delivery, self.channel_layer, str(outcome.unreadable))
        elif outcome.is_put_off:
            self._put_off(delivery, outcome.error)
        else:
            self._finish(outcome.of(delivery))
            if delivery.failures:
                self.group.failures.succeeded(delivery)

    def _put_off(self, delivery: Delivery, error: BaseException | None) -> None:
        if is_retried(error):
            self.group.failures.failed(delivery, error)
        self.group.postponed.add(delivery, without_frames(error))

    def _end_stray_child(self, delivery: Delivery) -> None:
        """End a child that a consumer forked and let return: it is no second worker."""
        if self._process is not forks.current:
            text = "The consumer of message %s forked and returned in the child, which ends: end it"
            text += " in the consumer, by os._exit()"
            logger.error(text, delivery.id, extra=about("consumer_failed", delivery))
            os._exit(1)

    def _tell_of_deaths(self, delivery: Delivery) -> None:
        logger.warning(
            "Message %s on %s was handed to this worker: its worker died (%d times so far)",
            delivery.id,
            delivery.channel,
            delivery.deaths,
            extra=about("handed_over", delivery),
        )

    def _clear_the_way(self) -> None:
        """Hold nothing else while a message runs whose worker died: that would count as a death."""
        self._commit()
        try:
            self.group.hand_back()
        except Exception as error:  # noqa: BLE001  (logged; the heartbeat tries again)
            text = "What waits in this process is handed back later: %s"
            logger.warning(text, error, extra=fields("trying_again"))

    def _keep_pace(self, seconds: float) -> None:
        self._pace += (seconds - self._pace) * (1.0 if seconds > self._pace else QUICKER)

    def _call_back(self, callback: Callable[[Delivery], None], delivery: Delivery) -> None:
        try:
            callback(delivery)
        except Exception:
            extra = about("receiver_failed", delivery)
            logger.exception("The callback for message %s failed", delivery.id, extra=extra)

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
                finish(self.finished[0], self.channel_layer, self.group.ended.wait)
            except Ended as error:  # what is left goes to others, with the process
                logger.error("%s", error, extra=about("not_finished", self.finished[0].delivery))
                return
            except Exception:
                delivery = self.finished[0].delivery
                extra = about("not_finished", delivery)
                logger.exception("Message %s is not finished yet", delivery.id, extra=extra)
                self.group.unfinished.add([delivery])
            del self.finished[0]

    def _commit_and_pull(self, count: int, keep: Callable[[list[Delivery]], None]) -> None:
        """Commit what has run, and in the same request wait for what comes next."""
        channels, layer = self.group.channels, self.channel_layer
        with self.committing:
            if not self.finished:  # another thread has committed it meanwhile
                return
            try:
                done = layer.commit_and_pull(self.finished, channels, PULL_TIMEOUT, count, keep)
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
        is_overdue = self.finished and time.monotonic() > self._commit_by
        if is_overdue and self.committing.acquire(blocking=False):
            try:
                while self.finished:
                    finished = self.finished[0]
                    note(self.channel_layer.commit(finished), finished.delivery)
                    del self.finished[0]
            finally:
                self.committing.release()


def is_to_ordinary(operation: Operation) -> bool:
    """Say whether *operation* sends to a channel that may be full: to none of a socket."""
    return isinstance(operation, Send) and server_of(operation.channel) is None
