"""Writes the requests of one interface server to Redis, and answers them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis.exceptions

from channels_workers.backoff import Attempts
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.commands import Argument, Request
from channels_workers.layers.redis.connections import Host
from channels_workers.layers.redis.life import Life
from channels_workers.layers.redis.lines import AsyncLine
from channels_workers.layers.redis.scripts import script

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Call:
    """A request that waits to be written, and who waits for its reply.

    *doubted_at*: epoch and counter of the server when Redis knew less than it should, which means
    that its data are lost, or else, when a pulse after that says that they are not, what it says.
    """

    request: Request
    reply: asyncio.Future[Any]
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


class Again(NamedTuple):
    """What is to be written again, and why."""

    calls: list[Call]
    error: Exception


class Writer:
    """Writes requests to the Redis at *host*, in the event loop that makes it.

    Requests of all sockets that come in one turn of the loop go out in one write. While Redis
    is away, repeatable requests wait, *longest* seconds at most between two attempts; the others
    fail.
    """

    def __init__(self, host: Host, prefix: str, longest: float) -> None:
        self.host = host
        self.prefix = prefix
        self.longest = longest
        self.loop = asyncio.get_running_loop()
        self._calls: list[Call] = []
        self._in_flight: list[Call] = []
        self._arrived = asyncio.Event()

    def add(self, request: Request) -> asyncio.Future[Any]:
        """Have *request* written, some time soon; return the future of its reply."""
        reply = self.loop.create_future()
        self._calls.append(Call(request, reply))
        self._arrived.set()
        return reply

    def end(self) -> None:
        """Raise :class:`LayerUnavailable` for all whose requests are not answered yet."""
        for call in (*self._in_flight, *self._calls):
            _answer(call, LayerUnavailable("The connection of this server has ended."))

    async def write(self, line: AsyncLine, life: Life) -> None:
        """Write what is added, by *line* and for the server of *life*, until cancelled."""
        attempts = Attempts(logger, "Writing", self.longest)
        while connections.goes_on():
            await self._arrived.wait()
            self._arrived.clear()
            calls, self._calls = self._calls, []
            self._in_flight = [call for call in calls if not call.reply.done()]
            try:
                again = await self._write_batch(line, life, self._in_flight)
            except Exception as error:  # noqa: BLE001  (logged; whatever it is, the link goes on)
                again = self._keep_repeatable(self._in_flight, error)
            if again:
                self._calls[:0] = again.calls
                self._arrived.set()
                outage = connections.unavailable(self.host, again.error)
                await asyncio.sleep(attempts.failed(outage))
            else:
                attempts.succeeded()

    async def _write_batch(self, line: AsyncLine, life: Life, calls: list[Call]) -> Again | None:
        """Write *calls* and answer them, up to the first that Redis cannot carry out now."""
        replies = await self._execute(line, life, calls)
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            await self._load(line, calls)
        for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
            if isinstance(reply, redis.exceptions.NoScriptError):
                rest = self._keep_repeatable(calls[at:], reply, replies[at:])
                self._in_flight = rest.calls
                return await self._write_batch(line, life, rest.calls)
            if isinstance(reply, Exception) and connections.is_temporary(reply):
                if connections.is_loss(reply):
                    call.doubt(life)
                return self._keep_repeatable(calls[at:], reply, replies[at:])
            _answer(call, reply)
        return None

    async def _load(self, line: AsyncLine, calls: list[Call]) -> None:
        names = {call.request.script for call in calls}
        for reply in await line.execute(*commands.teach(names)):
            if isinstance(reply, Exception):
                raise reply

    async def _execute(self, line: AsyncLine, life: Life, calls: list[Call]) -> list[Any]:
        if not calls:
            return []
        prefix = self.prefix
        return await line.execute(
            *(
                ("EVALSHA", script(call.request.script).sha, 1, prefix, *call.arguments(life))
                for call in calls
            )
        )

    def _keep_repeatable(
        self, calls: list[Call], error: Exception, replies: list[Any] | None = None
    ) -> Again:
        # All that may be repeated is, from the first failure on and in its order: a close must
        # not overtake the publish before it. What may not be repeated has its answer, unless
        # Redis says that it did not even begin; so has what nothing else has to wait for.
        kept = []
        for call, reply in zip(calls, replies or [error] * len(calls), strict=True):
            is_answered = not (call.request.ordered or isinstance(reply, Exception))
            is_unknown = isinstance(reply, redis.exceptions.NoScriptError)
            if is_unknown or (call.request.repeatable and not is_answered):
                kept.append(call)
            else:
                _answer(call, reply)
        return Again([call for call in kept if not call.reply.done()], error)


def _answer(call: Call, value: Any) -> None:
    future = call.reply
    if future.done():
        return
    try:
        if isinstance(value, Exception):
            raise value
        future.set_result(call.request.read(value))
    except Exception as error:  # noqa: BLE001  (whoever waits gets it)
        future.set_exception(error)
        future.exception()  # whoever does not wait for it is not told again
