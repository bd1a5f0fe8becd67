"""The asyncio connections of one interface server: it writes, it reads its inbox, it pulses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import redis.asyncio
import redis.exceptions

from channels_workers.backoff import Attempts
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.operations import About, Pulse
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.commands import Argument, Request
from channels_workers.layers.redis.life import Life
from channels_workers.layers.redis.scripts import script
from channels_workers.layers.server import Departure, Server

logger = logging.getLogger(__name__)

#: Entries read from the inbox at once, how long a read waits (ms), how often to pulse (s).
INBOX_COUNT, INBOX_BLOCK, PULSE_INTERVAL = 500, 2000, 1.0

#: Connections registered again in one request.
RESTORED_AT_ONCE = 100

#: The dispatcher lets others run after this time (s).
TURN = 0.01


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


class Layer(Protocol):
    """What a link needs of its layer."""

    client: Client

    def register_server(self, server: str) -> Life:
        """Make *server* known; it blocks."""

    def forget_server(self) -> None:
        """Note that Redis does not know the server any more."""


class Link:
    """Writer, inbox reader and pulse of *server*, in the event loop that makes it.

    Requests of all sockets that come in one turn of the loop go out in one write. While Redis
    is away, repeatable requests wait; the others fail. When Redis has lost its data, the server
    is registered again with all that it holds.
    """

    def __init__(self, layer: Layer, server: Server) -> None:
        self.layer = layer
        self.server = server
        self.host = layer.client.host
        self.prefix = layer.client.prefix
        self.life = Life(server.id, "")
        self.loop = asyncio.get_running_loop()
        self._ended = False
        self._calls: list[Call] = []
        self._in_flight: list[Call] = []
        self._outage: LayerUnavailable | None = None
        self._arrived = asyncio.Event()
        self._registered = self.loop.create_future()
        self._duties: list[asyncio.Task[None]] = []
        self._task = self.loop.create_task(self._run(), name="channels_workers link")

    def ended(self) -> bool:
        """Say whether this link, or its event loop, has ended."""
        return self._ended or self.loop.is_closed()

    def is_here(self) -> bool:
        """Say whether this link runs in the caller's event loop."""
        return not self.ended() and asyncio.get_running_loop() is self.loop

    async def registered(self) -> None:
        """Wait until Redis knows the server."""
        await asyncio.shield(self._registered)

    async def call(self, request: Request) -> Any:
        """Return the reply of a script.

        A request that may be repeated waits while Redis is away; another one raises
        :class:`LayerUnavailable`, as everything does once the link has ended.
        """
        if self._ended:
            raise LayerUnavailable("The connection of this server to Redis has ended.")
        if not request.repeatable and not self._registered.done() and self._outage is not None:
            raise self._outage
        return await self._add(request)

    def depart(self, departures: Iterable[Departure]) -> None:
        """Tell Redis, some time soon, which groups have no member here any more."""
        for group, entry in departures:
            self._add(Request("leave", [self.server.id, group, entry]))

    def _add(self, request: Request) -> asyncio.Future[Any]:
        reply = self.loop.create_future()
        self._calls.append(Call(request, reply))
        self._arrived.set()
        return reply

    async def stop(self) -> None:
        """End the link and close its connections."""
        # Again and again: a cancellation may be swallowed, see `_goes_on`.
        while not self._task.done():
            for task in (self._task, *self._duties):
                task.cancel()
            await asyncio.wait([self._task], timeout=0.1)

    async def _run(self) -> None:
        client = redis.asyncio.Redis(connection_pool=connections.asyncio_pool(self.host))
        client.set_response_callback("XREAD", commands.as_it_is)
        try:
            await self._register()
            async with asyncio.TaskGroup() as tasks:
                duties = (self._write(client), self._read(client), self._pulse())
                self._duties = [tasks.create_task(duty) for duty in duties]
        except* LostServer:
            self._lose()
        finally:
            self._end()
            await client.aclose(close_connection_pool=True)

    def _end(self) -> None:
        self._ended = True
        for call in (*self._in_flight, *self._calls):
            _answer(call.reply, LayerUnavailable("The connection of this server has ended."))
        self.server.wake_mailboxes()  # those that wait in another loop make a new link

    async def _register(self) -> None:
        attempts = Attempts(logger, "Registering this server", PULSE_INTERVAL)
        while True:
            try:
                self.life = await asyncio.to_thread(self.layer.register_server, self.server.id)
            except Exception as error:  # noqa: BLE001  (logged; nothing works without)
                self._outage = self._explain(error)
                await asyncio.sleep(attempts.failed(self._outage))
            else:
                attempts.succeeded()
                self._registered.set_result(None)
                return

    def _explain(self, error: Exception) -> LayerUnavailable:
        if isinstance(error, LayerUnavailable):
            return error
        return connections.unavailable(self.host, error)

    # Writing

    async def _write(self, client: redis.asyncio.Redis) -> None:
        attempts = Attempts(logger, "Writing", PULSE_INTERVAL)
        while _goes_on():
            await self._arrived.wait()
            self._arrived.clear()
            calls, self._calls = self._calls, []
            self._in_flight = [call for call in calls if not call.reply.done()]
            try:
                again = await self._write_batch(client, self._in_flight)
            except Exception as error:  # noqa: BLE001  (logged; whatever it is, the link goes on)
                again = self._keep_repeatable(self._in_flight, error)
            if again:
                self._calls[:0] = again.calls
                self._arrived.set()
                await asyncio.sleep(attempts.failed(self._explain(again.error)))
            else:
                attempts.succeeded()

    async def _write_batch(self, client: redis.asyncio.Redis, calls: list[Call]) -> Again | None:
        """Write *calls* and answer them, up to the first that Redis cannot carry out now."""
        replies = await self._execute(client, calls)
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            await self._load(client, calls)
        for at, (call, reply) in enumerate(zip(calls, replies, strict=True)):
            if isinstance(reply, redis.exceptions.NoScriptError):
                rest = self._keep_repeatable(calls[at:], reply, replies[at:])
                self._in_flight = rest.calls
                return await self._write_batch(client, rest.calls)
            if isinstance(reply, Exception) and connections.is_temporary(reply):
                if connections.is_loss(reply):
                    call.doubt(self.life)
                return self._keep_repeatable(calls[at:], reply, replies[at:])
            _answer(call.reply, reply)
        return None

    async def _load(self, client: redis.asyncio.Redis, calls: list[Call]) -> None:
        for name in {call.request.script for call in calls}:
            await client.script_load(script(name).source)

    async def _execute(self, client: redis.asyncio.Redis, calls: list[Call]) -> list[Any]:
        if not calls:
            return []
        pipeline = client.pipeline(transaction=False)
        for call in calls:
            wanted = script(call.request.script)
            pipeline.evalsha(wanted.sha, 1, self.prefix, *call.arguments(self.life))
        return await pipeline.execute(raise_on_error=False)

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
                _answer(call.reply, reply)
        return Again([call for call in kept if not call.reply.done()], error)

    # Reading

    async def _read(self, client: redis.asyncio.Redis) -> None:
        attempts = Attempts(logger, "Reading the inbox")
        key = f"{self.prefix}inbox:{self.server.id}"
        while _goes_on():
            try:
                reply = await client.execute_command(  # type: ignore[no-untyped-call]
                    *("XREAD", "COUNT", INBOX_COUNT, "BLOCK", INBOX_BLOCK),
                    *("STREAMS", key, self.server.position or "0"),
                )
            except Exception as error:  # noqa: BLE001  (logged; whatever it is, the link goes on)
                await asyncio.sleep(attempts.failed(self._explain(error)))
                continue
            attempts.succeeded()
            await self._process(reply)

    async def _process(self, reply: Any) -> None:
        since = time.monotonic()
        for entry in commands.read_inbox(reply):
            self.depart(self.server.process(entry))
            if time.monotonic() - since > TURN:
                await asyncio.sleep(0)
                since = time.monotonic()

    # Living

    async def _pulse(self) -> None:
        while _goes_on():
            await asyncio.sleep(PULSE_INTERVAL)
            try:
                await self._pulse_once()
            except LayerUnavailable as error:
                logger.error("The pulse failed: %s", error)
            except LostServer:
                raise
            except Exception:
                logger.exception("The pulse failed")

    async def _pulse_once(self) -> None:
        unsure, self.server.unsure = self.server.unsure, set()
        reply = await self.call(self.life.pulse(self.server.position))
        pulse = self.life.read(reply, time.monotonic())
        if pulse is Pulse.ALIVE:
            self.server.forget_ends(unsure)
        if (request := self.life.recovered(time.monotonic())) is not None:
            await self.call(request)
        if pulse is Pulse.BURIED:
            raise LostServer
        if pulse is Pulse.LOST:
            await self._restore(reply[1].decode())

    async def _restore(self, epoch: str) -> None:
        logger.warning("Redis has lost its data; this server registers again")
        about = About.this("server")
        requests = list(commands.restore(self.server, epoch, about, RESTORED_AT_ONCE))
        for request in requests:
            if await asyncio.to_thread(self.layer.client.call, request) == b"buried":
                raise LostServer
        self.server.restored()
        self.life.begin_again(epoch)
        logger.warning("This server is registered again")

    def _lose(self) -> None:
        logger.error("Redis does not know this server any more; its sockets are closed")
        self.layer.forget_server()
        for receiver in list(self.server.receivers.values()):
            receiver.lose()
        self.server.forget_all()


class LostServer(Exception):
    """Redis has no registration of this server: it was reaped, or the data is lost."""


def _goes_on() -> bool:
    # Asked in each turn, as redis-py swallows a cancellation that comes while it connects.
    task = asyncio.current_task()
    return task is None or not task.cancelling()


def _answer(reply: asyncio.Future[Any], value: Any) -> None:
    if reply.done():
        return
    if isinstance(value, Exception):
        reply.set_exception(value)
        reply.exception()  # whoever does not wait for it is not told again
    else:
        reply.set_result(value)
