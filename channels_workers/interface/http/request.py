"""One request by workers, at work."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol

from channels_workers.exceptions import LayerUnavailable, MessageTooLarge, ServerEvicted
from channels_workers.flow import STEP_COST, chunk_size, inline_body
from channels_workers.interface.actions import Close, Publish
from channels_workers.interface.ends import tell_end
from channels_workers.interface.http.actions import (
    Cut,
    Refuse,
    Respond,
    Step,
    Tell,
    TellBody,
    Withdraw,
)
from channels_workers.interface.http.bodies import Body
from channels_workers.interface.http.request_protocol import RequestProtocol
from channels_workers.interface.http.responses import Answer
from channels_workers.interface.replies import disconnect_content
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import ConnectionSnapshot, PendingMessage, Published
from channels_workers.log_limits import Episodes
from channels_workers.logs import shown
from channels_workers.tracing import hooks
from channels_workers.tracing.hooks import Done

logger = logging.getLogger(__name__)

#: After how much silence an event stream gets a comment (s).
KEEP_ALIVE_INTERVAL = 15.0

#: How long the layer may take to say whether a worker has a request (s).
WITHDRAW_TIMEOUT = 2.0

#: How long a server program may take to note that a connection was cut (s).
CUT_TIMEOUT = 2.0

TOO_SLOW = "more than %d bytes of groups wait for it, ANSWER_BYTES_WAITING"


class Requests(Protocol):
    """The requests of one server; see :class:`.by_workers.ByWorkers`."""

    episodes: Episodes

    def add(self, request: Request) -> None:
        """Know *request*, which is about to go to the layer."""

    def finished(self, request: Request) -> None:
        """Note that no worker has to finish *request*."""

    def forget(self, request: Request) -> None:
        """Note that the layer knows of the end of *request*."""


class Request:
    """One request at work: asyncio and the layer around the pure :class:`RequestProtocol`.

    *refusal* is set if the server has to answer it.
    """

    def __init__(
        self,
        layer: WorkerLayer,
        requests: Requests,
        protocol: RequestProtocol,
        body: Body,
        answer: Answer,
    ) -> None:
        self.layer = layer
        self.requests = requests
        self.protocol = protocol
        self.body = body
        self.answer = answer
        self.reply_channel = ""
        self.trace: Any = None  # for the tracing
        self.refusal: Refuse | None = None
        self.has_lingered = False  # it waited for news
        self._waiting: deque[Respond] = deque()
        self._waiting_size = 0
        self._came = self._told = 0  # offsets in a finished response
        self._changed = asyncio.Event()
        self._is_over = False  # nothing more is written
        self._is_broken = False
        self._is_publishing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._heard_at = 0.0  # when a consumer last said something, by the clock of the loop

    @property
    def request_id(self) -> str:
        """Its id in the log of a proxy, "" without one."""
        return self.protocol.request_id

    async def serve(self) -> None:
        """Publish the request, and write its response until it is complete or the client leaves."""
        self.reply_channel = await self.layer.attach(self, self.protocol.kind)
        self.requests.add(self)
        leaving = asyncio.ensure_future(self.body.gone())
        leaving.add_done_callback(self._note_gone)
        self._start_timers()
        try:
            inline = self.body.read(0, inline_body(self.layer.codec.message_size))
            self._perform(self.protocol.begin(self.reply_channel, inline))
            await self._write()
            if self._is_broken:
                await self._until_gone()
        finally:
            for timer in self._timers:
                timer.cancel()
            self._end()

    def _start_timers(self) -> None:
        loop, limits = asyncio.get_running_loop(), self.protocol.limits
        self._timers.append(loop.call_later(limits.REQUEST_WAIT_TIMEOUT, self._wait_too_long))
        if limits.RESPONSE_TIMEOUT:
            self._heard_at = loop.time()
            self._timers.append(loop.call_later(limits.RESPONSE_TIMEOUT, self._look_for_response))

    def _wait_too_long(self) -> None:
        self._perform(self.protocol.wait_too_long())

    def _look_for_response(self) -> None:
        """See whether it has not begun in time, or whether nobody goes on with it."""
        protocol, loop = self.protocol, asyncio.get_running_loop()
        limit = protocol.limits.RESPONSE_TIMEOUT
        left = self._heard_at + limit - loop.time()
        if not protocol.has_begun:
            self._perform(protocol.time_out())
        elif left <= 0 and not self.layer.is_in_group(self.reply_channel):
            self._perform(protocol.fall_silent())
        if not protocol.is_complete:
            again = left if left > 0 else limit
            self._timers[-1] = loop.call_later(again, self._look_for_response)

    # To the client

    async def _write(self) -> None:
        while (step := await self._next()) is not None:
            self._forget_waiting(step)
            try:
                await self.answer.send(step.event)
            except Exception as error:  # noqa: BLE001  (each server has errors of its own)
                self._note_failure(error)
                return
            if self.answer.is_cut:
                return
            if step.taken is not None:
                await asyncio.sleep(0)  # so that the answer counts as a stream, and holds less
                self._tell_written(step, step.taken)
            if is_last(step):
                with suppress(Exception):  # the client is gone
                    await self.answer.finish()
                return

    async def _next(self) -> Respond | None:
        """Wait for the next part of the response; None if there will be none."""
        while not self._is_over and not self._waiting:
            self._changed.clear()
            if self.protocol.is_event_stream:
                await self._wait_or_keep_alive()
            else:
                await self._changed.wait()
        return None if self._is_over else self._waiting.popleft()

    async def _wait_or_keep_alive(self) -> None:
        try:
            async with asyncio.timeout(KEEP_ALIVE_INTERVAL):
                await self._changed.wait()
        except TimeoutError:
            self._perform(self.protocol.keep_alive())

    def _put(self, step: Respond) -> None:
        limit = self.protocol.limits.ANSWER_BYTES_WAITING
        if step.taken is None and self._waiting_size > limit:  # else its consumer waits for us
            self.answer.overflow(TOO_SLOW % limit)
            self._end()
            return
        self._waiting.append(step)
        self._waiting_size += step.length + STEP_COST
        self.answer.hold(step.length + STEP_COST)
        self._changed.set()
        if step.is_finished and step.taken is not None:
            self._came = step.taken
            self._tell_taken(self._kept)

    @property
    def _kept(self) -> int:
        """The offset up to which a finished response is taken: all but what is too much to keep."""
        excess = self.answer.waiting - self.protocol.limits.ANSWER_BYTES_WAITING
        return max(0, self._came - max(0, excess))

    def _tell_written(self, step: Respond, taken: int) -> None:
        if not step.is_finished or (taken := max(taken, self._kept)) > self._told:
            self._tell_taken(taken)

    def _tell_taken(self, taken: int) -> None:
        self._told = max(self._told, taken)
        self._tell({"taken": self._told})

    def _forget_waiting(self, step: Respond) -> None:
        self._waiting_size -= step.length + STEP_COST
        self.answer.let_go(step.length + STEP_COST)

    def _stop_writing(self) -> None:
        for step in self._waiting:
            self._forget_waiting(step)
        self._waiting.clear()
        self._is_over = True
        self._changed.set()

    def _note_failure(self, error: Exception) -> None:
        text, extra = "Sending a response failed: %s", self.protocol.fields("send_failed")
        self.requests.episodes.log(logger, logging.INFO, text, error, extra=extra)

    def _note_gone(self, leaving: asyncio.Future[None]) -> None:
        if not leaving.cancelled():
            leaving.exception()  # whatever it is, the client is not heard any more
            self._end()

    def _end(self) -> None:
        """Write nothing more: the client is gone, or has its response."""
        self._stop_writing()
        self._perform(self.protocol.gone())

    async def _until_gone(self) -> None:
        """Return when the client has seen that its connection is cut.

        Raises RuntimeError if the server program has not cut it, which lets it do so.
        """
        try:
            async with asyncio.timeout(CUT_TIMEOUT):
                await self.body.gone()
        except TimeoutError:
            raise RuntimeError("The response cannot be completed; its connection is cut.") from None

    # From the layer

    def deliver(self, content: Content, to_group: bool = False) -> None:
        """Take a message to the reply channel or, if *to_group*, to a group that it is in."""
        self._heard_at = asyncio.get_running_loop().time()
        self._perform(self.protocol.reply(content, to_group))

    def release(self, order: int) -> None:
        """Note that a worker has finished the message *order*."""
        self._heard_at = asyncio.get_running_loop().time()
        self._perform(self.protocol.release(order))
        self.has_lingered = self.has_lingered or self.protocol.lingers

    def end_told(self) -> None:
        """Note that the layer has forgotten this request: there will be no disconnect."""
        is_taken = not self._is_publishing
        self._perform(self.protocol.end_told(is_taken=is_taken))
        if is_taken:
            self._forget()

    def evicted(self) -> None:
        """End the request: the layer does not know it any more."""
        self._perform(self.protocol.evict())
        self._forget()

    def snapshot(self) -> ConnectionSnapshot | None:
        """Return the state that restores this request after the layer lost its data."""
        protocol, encode = self.protocol, self.layer.codec.encode
        if not protocol.may_be_restored:
            return None
        step = protocol.in_flight
        pending = PendingMessage(step.channel, encode(step.content)) if step else None
        last = disconnect_content(protocol.path, protocol.request_id)
        return ConnectionSnapshot(0, encode(last), pending)

    # From the server that stops

    @property
    def is_open(self) -> bool:
        """Whether it waits for news."""
        return self.protocol.lingers

    def dismiss(self, reason: str) -> None:
        """End the response properly, as the server will stop."""
        self._perform(self.protocol.dismiss())

    def stop(self) -> None:
        """Wait for no more news, as the server stops."""
        self._perform(self.protocol.stop())

    def give_up(self) -> None:
        """End it, as the server waits no longer."""
        self._perform(self.protocol.give_up())

    # What the protocol wants done

    def _perform(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Respond():
                    self._put(step)
                case Refuse():
                    self.refusal = step
                    self._stop_writing()
                case Cut():
                    self._is_broken = True
                    self.answer.cut()
                    self._stop_writing()
                case _:
                    self._go_to_layer(step)
        if not self.protocol.is_in_flight:
            self.requests.finished(self)
            self.body.free()

    def _go_to_layer(self, step: Publish | Tell | TellBody | Withdraw | Close) -> None:
        match step:
            case Publish():
                self._publish(step)
            case Tell():
                self._tell(step.content)
            case TellBody():
                self._tell_body(step)
            case Withdraw():
                self._begin(self._withdraw())
            case Close():
                self._begin(self._close(step))

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _publish(self, step: Publish) -> None:
        encode = self.layer.codec.encode
        done: Done = self._published
        content, protocol = step.content, self.protocol
        last = disconnect_content(protocol.path, protocol.request_id)
        if hooks.active is not None:
            content, last, done = hooks.active.publish(self, step, last, done)
        try:
            order, reply_channel = step.order, self.reply_channel
            message = (step.channel, reply_channel, order, encode(content), encode(last))
        except Exception as error:  # noqa: BLE001  (_fail looks at it)
            self._fail(error, is_published=False)
            return
        self._is_publishing = True
        try:
            self.layer.start_publish(*message, done)
        except LayerUnavailable as error:
            self._is_publishing = False
            self._fail(error, is_published=False)

    def _published(self, published: Published | Exception) -> None:
        self._is_publishing = False
        if isinstance(published, Exception):
            self._fail(published, is_published=not isinstance(published, ServerEvicted))
        elif published is Published.GONE:
            self.evicted()

    def _fail(self, error: Exception, *, is_published: bool) -> None:
        """Refuse a request that cannot be published, or perhaps was, but failed."""
        protocol = self.protocol
        if isinstance(error, MessageTooLarge):
            self._perform(protocol.too_large(error))
        else:
            text, extra = "Publishing the request %s failed", protocol.fields("publish_failed")
            logger.error(text, shown(protocol.path), exc_info=error, extra=extra)
            self._perform(
                protocol.give_up(str(error)) if is_published else protocol.not_published()
            )
        if not is_published:
            self._forget()

    def _tell(self, content: Content) -> None:
        try:
            self.layer.tell(self.reply_channel, self.layer.codec.encode(content))
        except LayerUnavailable as error:  # the server leaves; the consumer notices by itself
            logger.debug("%s is told nothing: %s", self.reply_channel, error)

    def _tell_body(self, step: TellBody) -> None:
        size, end = chunk_size(self.layer.codec.message_size), step.offset + step.size
        for at in range(step.offset, min(end, self.body.size), size):
            self._tell({"at": at, "body": self.body.read(at, min(size, end - at))})

    async def _withdraw(self) -> None:
        taken_back: bool | None = None
        with suppress(TimeoutError, LayerUnavailable):
            async with asyncio.timeout(WITHDRAW_TIMEOUT):
                taken_back = await self.layer.withdraw(self.reply_channel)
        self._perform(self.protocol.withdrawn(taken_back))
        if taken_back:
            self._forget()

    async def _close(self, step: Close) -> None:
        try:
            await tell_end(self.layer, self.reply_channel, step.code, self.protocol)
        finally:
            self._forget()

    def _forget(self) -> None:
        self.protocol.forget()
        self.body.free()
        self.layer.detach(self.reply_channel)
        self.requests.forget(self)


def is_last(step: Respond) -> bool:
    """Say whether *step* completes a response."""
    return step.event["type"] == "http.response.body" and not step.event["more_body"]
