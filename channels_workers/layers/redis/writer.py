"""Writes the requests of one interface server to Redis, and delivers their results."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Any

import redis.exceptions

from channels_workers.backoff import Backoff
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import hosts
from channels_workers.layers.redis.async_pipeline import AsyncPipeline
from channels_workers.layers.redis.groups import Call, CallFailed, grouped, ungrouped
from channels_workers.layers.redis.options import Host
from channels_workers.layers.redis.registration import Registration
from channels_workers.layers.redis.requests import Done, Request, load_scripts
from channels_workers.layers.redis.resp import pack

logger = logging.getLogger(__name__)


class Writer:
    """Writes requests to the Redis at *host*, in the event loop that makes it.

    A request is written at once. Further requests wait for its reply, and then go out in one write,
    consecutive publishes in one call. After a write of several requests the next one waits for the
    end of this turn of the event loop, as other sockets may have frames, too.

    While Redis is away, repeatable requests wait, *longest* seconds at most between two attempts;
    the others fail. *shards* are those of the client.
    """

    def __init__(self, host: Host, prefix: str, longest: float, shards: str = "") -> None:
        self.host = host
        self.prefix = prefix
        self.shards = shards
        self.loop = asyncio.get_running_loop()
        self.has_ended = False
        #: Why the server could not register yet; set by the session.
        self.outage: LayerUnavailable | None = None
        self._attempts = Backoff(logger, "Writing", longest)
        self._registration = Registration("", "")
        self._waiting: list[Request] = []
        self._in_flight: list[Request] = []
        self._calls: list[Call] = []  # of these
        self._is_scheduled = False  # a write at the end of this turn of the event loop
        self._is_busy = False  # the last write had several requests
        #: The pipeline while all is well; after that, *trouble* gets the error.
        self._pipeline: AsyncPipeline | None = None
        self._trouble: asyncio.Future[Exception] = self.loop.create_future()

    def add(self, request: Request, done: Done) -> None:
        """Write *request* soon; call *done* in the event loop, with its result or an error.

        Raises :class:`LayerUnavailable` after the end and, if the request is not repeatable, during
        an outage.
        """
        if self.has_ended:
            raise LayerUnavailable("The connection of this server to Redis has ended.")
        if self.outage is not None and not request.repeatable:
            raise self.outage
        request.done = done
        self._waiting.append(request)
        if self._in_flight or self._is_scheduled:
            return
        if self._is_busy:
            self._is_scheduled = True
            self.loop.call_soon(self._write_scheduled)
        else:
            self._write_waiting()

    def _write_scheduled(self) -> None:
        self._is_scheduled = False
        if not self._in_flight:
            self._write_waiting()

    def give_up(self, reply_channels: Collection[str]) -> None:
        """Do not write the first messages of these requests again: they may have run.

        The result of their publish is that they are gone.
        """
        for request in (*self._in_flight, *self._waiting):
            if request.script == "publish" and request.arguments[1] in reply_channels:
                _answer(request, b"gone")

    def end(self) -> None:
        """Answer all open requests with :class:`LayerUnavailable`, and refuse further ones."""
        self.has_ended = True
        self._pipeline = None
        for request in (*self._in_flight, *self._waiting):
            _answer(request, LayerUnavailable("The connection of this server has ended."))

    async def write(self, pipeline: AsyncPipeline, registration: Registration) -> None:
        """Write by *pipeline*, for the server of *registration*, until cancelled."""
        self._registration = registration
        error: Exception | None = None
        while hosts.goes_on():
            try:
                if is_unknown(error):
                    await self._load_scripts(pipeline)
                elif error is not None:
                    if hosts.is_temporary(error):
                        error = hosts.unavailable(self.host, error)
                    await asyncio.sleep(self._attempts.failed(error))
                await pipeline.open()
                self._trouble = self.loop.create_future()
                self._pipeline = pipeline
                self._write_waiting()
                error = await self._trouble
            except Exception as failure:  # noqa: BLE001  (logged; the session goes on)
                error = failure
                requests, self._waiting = self._waiting, []  # callbacks may add others meanwhile
                self._waiting[:0] = self._keep_repeatable(requests, error)

    async def _load_scripts(self, pipeline: AsyncPipeline) -> None:
        names = {request.script for request in self._waiting}
        for reply in await pipeline.execute(*load_scripts(names, self.shards)):
            if isinstance(reply, Exception):
                raise reply

    def _write_waiting(self) -> None:
        pipeline = self._pipeline
        if pipeline is None:
            return
        requests, self._waiting = [each for each in self._waiting if not each.is_over], []
        if not requests:
            return
        self._is_busy = len(requests) > 1
        known = self.prefix, pipeline.run, self._registration, self.shards
        calls = grouped(requests) if self._is_busy else [Call(requests[0], requests)]
        self._calls = calls
        try:
            data = b"".join([pack(each.command(*known)) for each, _ in calls])
        except (TypeError, UnicodeEncodeError) as error:  # they can never be written
            for request in requests:
                _answer(request, error)
        else:
            self._in_flight = requests
            if pipeline.meter.instruments is not None:
                pipeline.meter.began = time.monotonic()
            pipeline.start(data, len(calls), self._written)

    def _written(self, replies: list[Any] | Exception) -> None:  # noqa: C901  (no call for each write)
        requests = self._in_flight  # until all have results: what callbacks add must wait
        if len(self._calls) < len(requests) and not isinstance(replies, Exception):
            replies = ungrouped(self._calls, replies)
        pipeline = self._pipeline
        if pipeline is not None and pipeline.meter.instruments is not None:
            pipeline.meter.answered_by(requests, replies)
        error: Exception | None = None
        if isinstance(replies, Exception):
            error, replies = replies, [replies] * len(requests)
        try:
            for at, (request, reply) in enumerate(zip(requests, replies, strict=True)):
                if error is not None or (
                    isinstance(reply, Exception) and cannot_be_done_now(reply)
                ):
                    error = self._put_off(requests[at:], replies[at:])
                    break
                _answer(request, reply)
        finally:
            self._in_flight, self._calls = [], []
        if error is not None:
            self._stop(error)
            return
        if self._attempts.failures:
            self._attempts.succeeded()
        if self._waiting:
            self._write_waiting()

    def _stop(self, error: Exception) -> None:
        if self._pipeline is not None:
            self._pipeline = None
            if not self._trouble.done():
                self._trouble.set_result(error)

    def _put_off(self, requests: list[Request], replies: list[Any]) -> Exception:
        """Keep *requests*, the first of which Redis cannot carry out now; return why."""
        error: Exception = replies[0]
        for request, reply in zip(requests, replies, strict=True):
            if isinstance(reply, Exception) and hosts.is_loss(
                reply
            ):  # one heartbeat disproves all of them
                request.doubt(self._registration)
        self._waiting[:0] = self._keep_repeatable(requests, error, replies)
        return next(filter(is_unknown, replies), error)

    def _keep_repeatable(
        self, requests: list[Request], error: Exception, replies: list[Any] | None = None
    ) -> list[Request]:
        # From the first failure on, all repeatable requests are kept in their order: a close must
        # not overtake the publish before it. A request that is not repeatable has its answer,
        # unless Redis did not even begin it. A request without order keeps the answer it has.
        kept = []
        for request, reply in zip(requests, replies or [error] * len(requests), strict=True):
            is_answered = not (request.ordered or isinstance(reply, Exception))
            if is_unknown(reply) or is_elsewhere(reply) or (request.repeatable and not is_answered):
                kept.append(request)
            else:
                _answer(request, reply)
        return [request for request in kept if not request.is_over]


def cannot_be_done_now(error: Exception) -> bool:
    """Say whether the same request may succeed later, or once Redis knows its script."""
    return is_unknown(error) or hosts.is_temporary(error) or isinstance(error, CallFailed)


def is_unknown(reply: Any) -> bool:
    """Say whether Redis does not know the script yet."""
    return isinstance(reply, redis.exceptions.NoScriptError)


def is_elsewhere(reply: Any) -> bool:
    """Say whether a node of a cluster has not begun the request: the slot has moved."""
    return isinstance(reply, redis.exceptions.ReadOnlyError) and str(reply).startswith(
        ("MOVED ", "ASK ")
    )


def _answer(request: Request, value: Any) -> None:
    if request.is_over:
        return
    request.is_over = True
    if request.read is not None and not isinstance(value, Exception):
        try:
            value = request.read(value)
        except Exception as error:  # noqa: BLE001  (the caller gets it)
            value = error
    try:
        request.done(value)
    except Exception as error:  # noqa: BLE001  (the other requests have their results, too)
        loop = asyncio.get_running_loop()
        what = f"The callback of a {request.script} request failed"
        loop.call_exception_handler({"message": what, "exception": error})
