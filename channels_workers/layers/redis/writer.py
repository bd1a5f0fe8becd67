"""Writes the requests of one interface server to Redis, and answers them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis.exceptions

from channels_workers.backoff import Backoff
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.commands import Argument, Request
from channels_workers.layers.redis.life import Life
from channels_workers.layers.redis.lines import AsyncLine, Command
from channels_workers.layers.redis.options import Host

logger = logging.getLogger(__name__)


#: Called once with what a script says, as the request reads it, or with what is wrong.
Done = Callable[[Any], object]


@dataclass(slots=True)
class Call:
    """A request that waits to be written, or for its reply, and who is told of that.

    It *is_over* when they were told, or do not want to know any more: it is not written then.

    *doubted_at*: epoch and counter of the server when Redis knew less than it should, which means
    that its data are lost, or else, when a later heartbeat says that they are not, what it says.
    """

    request: Request
    done: Done
    is_over: bool = False
    doubted_at: tuple[str, int] | None = None

    def arguments(self, life: Life) -> list[Argument]:
        """Return the arguments to write."""
        if not self.request.in_epoch:
            return self.request.arguments
        epoch, counter = self.doubted_at or ("", 0)
        is_sure = epoch == life.epoch and life.counter > counter
        return [*self.request.arguments, "" if is_sure else life.epoch]

    def doubt(self, life: Life) -> None:
        """Note that Redis knows less than it should."""
        if self.doubted_at is None or self.doubted_at[0] != life.epoch:
            self.doubted_at = (life.epoch, life.counter)


class Writer:
    """Writes requests to the Redis at *host*, in the event loop that makes it.

    A request goes out at once; those that come until it is answered go out in one write then. While
    Redis is away, repeatable requests wait, *longest* seconds at most between two attempts; the
    others fail.
    """

    def __init__(self, host: Host, prefix: str, longest: float) -> None:
        self.host = host
        self.prefix = prefix
        self.loop = asyncio.get_running_loop()
        self._attempts = Backoff(logger, "Writing", longest)
        self._life = Life("", "")
        self._calls: list[Call] = []
        self._in_flight: list[Call] = []
        #: The line while all is well; then *trouble* gets what goes wrong.
        self._line: AsyncLine | None = None
        self._trouble: asyncio.Future[Exception] = self.loop.create_future()

    def add(self, request: Request, done: Done) -> Call:
        """Have *request* written, some time soon; *done* is called in the event loop."""
        call = Call(request, done)
        self._calls.append(call)
        if not self._in_flight:
            self._write_waiting()
        return call

    def end(self) -> None:
        """Tell all whose requests are not answered yet: :class:`LayerUnavailable`."""
        self._line = None
        for call in (*self._in_flight, *self._calls):
            _answer(call, LayerUnavailable("The connection of this server has ended."))

    async def write(self, line: AsyncLine, life: Life) -> None:
        """Let requests go out by *line*, for the server of *life*, until cancelled."""
        self._life = life
        error: Exception | None = None
        while connections.goes_on():
            try:
                if is_unknown(error):
                    await self._teach(line)
                elif error is not None:
                    if connections.is_temporary(error):
                        error = connections.unavailable(self.host, error)
                    await asyncio.sleep(self._attempts.failed(error))
                await line.open()
                self._trouble = self.loop.create_future()
                self._line = line
                self._write_waiting()
                error = await self._trouble
            except Exception as failure:  # noqa: BLE001  (logged; whatever it is, the link goes on)
                error = failure
                calls, self._calls = self._calls, []  # who is told may add others meanwhile
                self._calls[:0] = self._keep_repeatable(calls, error)

    async def _teach(self, line: AsyncLine) -> None:
        names = {call.request.script for call in self._calls}
        for reply in await line.execute(*commands.teach(names)):
            if isinstance(reply, Exception):
                raise reply

    def _write_waiting(self) -> None:
        line = self._line
        if line is None:
            return
        calls, self._calls = [call for call in self._calls if not call.is_over], []
        if not calls:
            return
        try:
            line.start([self._command(call, line.run) for call in calls], self._written)
        except (TypeError, UnicodeEncodeError) as error:  # nothing can be written of it, ever
            for call in calls:
                _answer(call, error)
        else:
            self._in_flight = calls

    def _command(self, call: Call, run: str) -> Command:
        return commands.evaluate(self.prefix, call.request, call.arguments(self._life), run)

    def _written(self, replies: list[Any] | Exception) -> None:
        calls = self._in_flight  # until all are settled: what those add who are told waits
        try:
            error = self._settle(calls, replies)
        finally:
            self._in_flight = []
        if error is None:
            self._attempts.succeeded()
            self._write_waiting()
        elif self._line is not None:
            self._line = None
            if not self._trouble.done():
                self._trouble.set_result(error)

    def _settle(self, calls: list[Call], replies: list[Any] | Exception) -> Exception | None:
        """Answer *calls*; keep those from the first on that Redis cannot carry out now."""
        if isinstance(replies, Exception):
            self._calls[:0] = self._keep_repeatable(calls, replies)
            return replies
        for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
            if isinstance(reply, Exception) and cannot_be_done_now(reply):
                if connections.is_loss(reply):
                    call.doubt(self._life)
                self._calls[:0] = self._keep_repeatable(calls[at:], reply, replies[at:])
                return next(filter(is_unknown, replies[at:]), reply)
            _answer(call, reply)
        return None

    def _keep_repeatable(
        self, calls: list[Call], error: Exception, replies: list[Any] | None = None
    ) -> list[Call]:
        # All that may be repeated is, from the first failure on and in its order: a close must
        # not overtake the publish before it. What may not be repeated has its answer, unless
        # Redis says that it did not even begin; so has what nothing else has to wait for.
        kept = []
        for call, reply in zip(calls, replies or [error] * len(calls), strict=True):
            is_answered = not (call.request.ordered or isinstance(reply, Exception))
            if is_unknown(reply) or (call.request.repeatable and not is_answered):
                kept.append(call)
            else:
                _answer(call, reply)
        return [call for call in kept if not call.is_over]


def cannot_be_done_now(error: Exception) -> bool:
    """Say whether the same request may succeed later, or when Redis knows its script."""
    return is_unknown(error) or connections.is_temporary(error)


def is_unknown(reply: Any) -> bool:
    """Say whether Redis does not know the script yet."""
    return isinstance(reply, redis.exceptions.NoScriptError)


def _answer(call: Call, value: Any) -> None:
    if call.is_over:
        return
    call.is_over = True
    if not isinstance(value, Exception):
        try:
            value = call.request.read(value)
        except Exception as error:  # noqa: BLE001  (whoever asked is told)
            value = error
    try:
        call.done(value)
    except Exception as error:  # noqa: BLE001  (the other calls have their answers, too)
        loop = asyncio.get_running_loop()
        what = f"Whoever asked for {call.request.script} could not be told"
        loop.call_exception_handler({"message": what, "exception": error})
