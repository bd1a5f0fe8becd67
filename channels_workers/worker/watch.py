"""Watches the consumers of a worker process: those that are slow, and those that block others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from channels_workers.concurrency.stacks import (
    Stack,
    shown_stack,
    stack_of_coroutine,
    stack_of_thread,
    waits_for_client,
)
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration
from channels_workers.layers.types import Delivery, Running
from channels_workers.logs import fields, name_of, shown
from channels_workers.message import Message
from channels_workers.routing import Router
from channels_workers.worker.event_loop import EventLoop
from channels_workers.worker.log_fields import request_id_of
from channels_workers.worker.thread import Worker

logger = logging.getLogger(__name__)

#: The interval of looks at the threads (s).
LOOK_INTERVAL = 0.5

#: From when on a run is shown by ``channelstatus``, and the event loop counts as blocked (s).
LONG, BLOCKED = 1.0, 1.0

SLOW = "%s has run for %.1f s on %s, path %s, message %s; SLOW_CONSUMER is %g s. It is at:\n%s"
TIMED_OUT = (
    "%s has run for %.1f s on %s, path %s, message %s: longer than CONSUMER_TIMEOUT, %g s. A "
    "thread cannot be ended, so let its calls have time-outs. It is at:\n%s"
)
BLOCKS = (
    "%s blocks the event loop of this worker, for %.1f s so far: no other `async def` consumer "
    "runs. Await the call that blocks, or use asyncio.to_thread(). It is at:\n%s"
)


class Run:
    """One run of a consumer, as the watch has seen it. It began *since* then (monotonic, s)."""

    def __init__(self, worker: Worker, delivery: Delivery, since: float) -> None:
        self.worker = worker
        self.delivery = delivery
        self.since = since
        self.began = round(time.time(), 3)
        self.is_logged = False
        self.is_over = False
        self.consumer, self.path = "", ""

    def identify(self, router: Router) -> None:
        """Find the consumer and the path, which the thread does not note for each message."""
        if self.consumer:
            return
        self.consumer, self.path = "A consumer", "-"
        try:
            layer = self.worker.channel_layer
            content = layer.content(self.delivery)
            message = Message(content, self.delivery.channel, layer, self.delivery)
            match = router.match_or_default(message)
        except Exception as error:  # noqa: BLE001  (the thread logs it)
            logger.debug("No consumer is known for %s: %r", self.delivery.id, error)
            return
        self.path = shown(str(content.get("path", "-")))
        if match is not None:
            self.consumer = name_of(match.consumer)

    def shown(self) -> Running:
        """Return it as ``channelstatus`` shows it."""
        delivery, number = self.delivery, self.worker.number
        names = delivery.channel, delivery.id, delivery.reply_channel
        return Running(number, self.consumer, self.began, *names)

    def told(self, seconds: float, limit: float, stack: Stack) -> tuple[object, ...]:
        """Return the arguments of a log line about it."""
        delivery = self.delivery
        where = delivery.channel, self.path, delivery.id
        return (self.consumer, seconds, *where, limit, shown_stack(stack))

    def fields(self, event: str) -> dict[str, str | int]:
        """Return the fields of a log line about it."""
        return fields(
            event,
            channel=self.delivery.channel,
            connection=self.delivery.reply_channel,
            consumer=self.consumer,
            message_id=self.delivery.id,
            path=self.path,
            request_id=request_id_of(self.delivery),
        )


class Watch:
    """The thread that watches *workers* and *loop*, until the process has *ended*."""

    def __init__(
        self, workers: Sequence[Worker], loop: EventLoop, router: Router, ended: threading.Event
    ) -> None:
        self._workers = workers
        self._loop = loop
        self._router = router
        self._ended = ended
        self._runs: dict[Worker, Run] = {}
        self._is_blocked = False
        self._running: tuple[Run, ...] = ()
        self.thread = Duty("watch", self._run)

    def start(self) -> None:
        """Watch from now on."""
        self.thread.start()

    def running(self, workers: Sequence[Worker]) -> tuple[Running, ...]:
        """Return what *workers* have run for longer than LONG, by the numbers of their threads."""
        return tuple(run.shown() for run in self._running if run.worker in workers)

    def slow(self) -> int:
        """Return how many consumers have run for longer than SLOW_CONSUMER, as the log said."""
        return sum(run.is_logged for run in tuple(self._runs.values()))

    def _run(self) -> None:
        while not self._ended.wait(LOOK_INTERVAL):
            try:
                self.look(time.monotonic())
            except Exception:
                text, extra = "Watching the consumers failed", fields("watch_failed")
                logger.exception(text, extra=extra)

    def look(self, now: float) -> None:
        """Look at all threads, *now* (monotonic, s)."""
        long = []
        for worker in self._workers:
            run = self._run_of(worker, now)
            if run is not None:
                if now - run.since >= LONG:
                    run.identify(self._router)
                    long.append(run)
                self._judge(run, now - run.since)
        self._running = tuple(long)
        self._look_at_loop()

    def _run_of(self, worker: Worker, now: float) -> Run | None:
        delivery, run = worker.slot.running, self._runs.get(worker)
        if delivery is None:
            self._runs.pop(worker, None)
            return None
        if run is None or run.delivery is not delivery:
            run = self._runs[worker] = Run(worker, delivery, now)
        return run

    def _judge(self, run: Run, seconds: float) -> None:
        limits = configuration()
        slow, limit = limits.SLOW_CONSUMER, limits.CONSUMER_TIMEOUT
        if slow and seconds >= slow and not run.is_logged:
            run.identify(self._router)
            stack = self._stack_of(run)
            if not waits_for_client(stack):
                run.is_logged = True
                told = run.told(seconds, slow, stack)
                logger.warning(SLOW, *told, extra=run.fields("slow_consumer"))
        if limit and seconds >= limit and not run.is_over:
            run.is_over = True
            if not self._loop.time_out(run.worker.thread.ident or 0, limit):
                run.identify(self._router)
                told = run.told(seconds, limit, self._stack_of(run))
                logger.error(TIMED_OUT, *told, extra=run.fields("consumer_timed_out"))

    def _stack_of(self, run: Run) -> Stack:
        thread = run.worker.thread.ident or 0
        waited_for = self._loop.runs.get(thread)
        if waited_for is None:
            return stack_of_thread(thread)
        if waited_for.is_running:
            return stack_of_thread(self._loop.thread.ident or 0)
        return stack_of_coroutine(waited_for.coroutine)

    def _look_at_loop(self) -> None:
        seconds = self._loop.blocked_for()
        if seconds < BLOCKED:
            self._is_blocked = False
        elif not self._is_blocked:
            self._is_blocked = True
            self._log_blocked(seconds)

    def _log_blocked(self, seconds: float) -> None:
        stack = shown_stack(stack_of_thread(self._loop.thread.ident or 0))
        run = next(filter(self._is_running, tuple(self._runs.values())), None)
        if run is None:
            extra = fields("event_loop_blocked")
            logger.warning(BLOCKS, "A left-over task", seconds, stack, extra=extra)
            return
        run.identify(self._router)
        extra = run.fields("event_loop_blocked")
        logger.warning(BLOCKS, run.consumer, seconds, stack, extra=extra)

    def _is_running(self, run: Run) -> bool:
        waited_for = self._loop.runs.get(run.worker.thread.ident or 0)
        return waited_for is not None and waited_for.is_running
