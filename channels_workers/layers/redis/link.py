"""The asyncio connections of one interface server: it writes, it reads its inbox, it heartbeats."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

from channels_workers.backoff import Backoff
from channels_workers.concurrency.futures import settle
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.commands import Request
from channels_workers.layers.redis.life import Life
from channels_workers.layers.redis.lines import AsyncLine
from channels_workers.layers.redis.reader import Reader
from channels_workers.layers.redis.writer import Call, Done, Writer
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.types import Liveness, ProcessInfo, Unreadable
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How often to heartbeat (s).
HEARTBEAT_INTERVAL = 1.0

#: Connections registered again in one request.
RESTORED_AT_ONCE = 100


class Layer(Protocol):
    """What a link needs of its layer."""

    client: Client

    def register_server(self, server: str) -> Life:
        """Make *server* known; it blocks."""

    def forget_server(self) -> None:
        """Note that Redis does not know the server any more."""


class Link:
    """Writer, inbox reader and heartbeat of *server*, in the event loop that makes it.

    When Redis has lost its data, the server is registered again with all that it holds.
    """

    def __init__(self, layer: Layer, server: Server) -> None:
        self.layer = layer
        self.server = server
        self.host = layer.client.host
        self.life = Life(server.id, "")
        self.loop = asyncio.get_running_loop()
        self._ended = False
        self._writer = Writer(self.host, layer.client.prefix, HEARTBEAT_INTERVAL)
        inbox = layer.client.key(f"inbox:{server.id}")
        self._reader = Reader(self.host, inbox, server, self)
        self._outage: LayerUnavailable | None = None
        #: Whether Redis knows the server, and what the first attempt to register it came to:
        #: others wait for both in event loops of their own.
        self._registered: concurrent.futures.Future[bool] = concurrent.futures.Future()
        self._first_attempt: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._duties: list[asyncio.Task[None]] = []
        self._task = self.loop.create_task(self._run(), name="channels_workers link")
        self._task.add_done_callback(self._tell_of_end)

    def ended(self) -> bool:
        """Say whether this link, or its event loop, has ended."""
        return self._ended or self.loop.is_closed()

    def is_here(self) -> bool:
        """Say whether this link runs in the caller's event loop."""
        return not self.ended() and asyncio.get_running_loop() is self.loop

    async def registered(self) -> bool:
        """Wait until Redis knows the server; False if the link ends before that."""
        if self._registered.done():
            return self._registered.result()
        return await asyncio.shield(asyncio.wrap_future(self._registered))

    async def first_attempt(self) -> None:
        """Wait until Redis knows the server, or the first attempt failed; raise what is wrong."""
        await asyncio.shield(asyncio.wrap_future(self._first_attempt))

    def start(self, request: Request, done: Done) -> Call:
        """Have a script run; *done* is called with what it says, or with what is wrong.

        A request that may be repeated waits while Redis is away; for another one that is what is
        wrong. Raises :class:`LayerUnavailable` if the link has ended, or could not register yet.
        """
        if self._ended:
            raise LayerUnavailable("The connection of this server to Redis has ended.")
        if not request.repeatable and not self._registered.done() and self._outage is not None:
            raise self._outage
        return self._writer.add(request, done)

    async def call(self, request: Request) -> Any:
        """Do the same as :meth:`start`, and wait for it; raise what is wrong."""
        reply = self.loop.create_future()
        call = self.start(request, partial(settle, reply))
        try:
            return await reply
        except asyncio.CancelledError:
            call.is_over = True
            raise

    def depart(self, departures: Iterable[Departure]) -> None:
        """Tell Redis, some time soon, which groups have no member here any more."""
        for group, entry in departures:
            self._writer.add(Request("leave", [self.server.id, group, entry]), ignore)

    def inbox_waits(self) -> float:
        """Return for how long the inbox has not been read to its end (s)."""
        return time.monotonic() - self._reader.read_at if self._registered.done() else 0.0

    def keep_unreadable(self, found: Iterable[Unreadable]) -> None:
        """Let Redis keep a note, some time soon, of what could not be read."""
        self._writer.add(commands.keep_aside(self.server.id, found), ignore)

    def mend_inbox(self) -> None:
        """Have the key of the inbox set aside, some time soon, if it is no stream."""
        request = Request("mend", [f"inbox:{self.server.id}", "stream"], ordered=False)
        self._writer.add(request, ignore)

    def republish(self) -> None:
        """Have what a flush deleted of connections published again, some time soon."""
        for request in commands.republish(self.server, RESTORED_AT_ONCE):
            self._writer.add(request, ignore)

    async def stop(self) -> None:
        """End the link and close its connections."""
        # Again and again: a cancellation may be swallowed, see `connections.goes_on`.
        while not self._task.done():
            for task in (self._task, *self._duties):
                task.cancel()
            await asyncio.wait([self._task], timeout=0.1)

    async def _run(self) -> None:
        pool = connections.asyncio_pool(self.host)
        try:
            await self._register()
            async with asyncio.TaskGroup() as tasks:
                writing = self._writer.write(AsyncLine(pool), self.life)
                duties = (writing, self._reader.read(AsyncLine(pool)), self._heartbeat())
                self._duties = [tasks.create_task(duty) for duty in duties]
        except* LostServer:
            self._lose()
        finally:
            self._end()
            await pool.disconnect()

    def _end(self) -> None:
        self._ended = True
        self._writer.end()
        if not self._first_attempt.done():
            self._first_attempt.set_exception(LayerUnavailable("The link to Redis has ended."))
        if not self._registered.done():
            self._registered.set_result(False)
        self.server.wake_mailboxes()  # those that wait in another loop make a new link

    def _tell_of_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            text = "The link of this server to Redis has ended; whoever needs one makes another"
            logger.error(text, exc_info=error, extra=self._fields("link_failed"))

    async def _register(self) -> None:
        attempts = Backoff(logger, "Registering this server", HEARTBEAT_INTERVAL)
        while True:
            try:
                self.life = await asyncio.to_thread(self.layer.register_server, self.server.id)
            except Exception as error:  # noqa: BLE001  (logged; nothing works without)
                self._outage = connections.unavailable(self.host, error)
                if not self._first_attempt.done():
                    self._first_attempt.set_exception(self._outage)
                await asyncio.sleep(attempts.failed(error))
            else:
                attempts.succeeded()
                if not self._first_attempt.done():
                    self._first_attempt.set_result(None)
                self._registered.set_result(True)
                return

    # Living

    async def _heartbeat(self) -> None:
        while connections.goes_on():
            await asyncio.sleep(HEARTBEAT_INTERVAL)
            try:
                await self._heartbeat_once()
            except LayerUnavailable as error:
                logger.error("The heartbeat failed: %s", error, extra=self._fields("trying_again"))
            except LostServer:
                raise
            except Exception:
                logger.exception("The heartbeat failed", extra=self._fields("trying_again"))

    async def _heartbeat_once(self) -> None:
        unsure = set(self.server.unsure)
        reply = await self.call(self.life.heartbeat(self.server.position))
        heartbeat = self.life.read(reply, time.monotonic())
        self.server.unsure -= unsure
        if heartbeat is Liveness.ALIVE:
            self.server.forget_ends(unsure)
        for request in self.life.follow_up(time.monotonic()):
            await self.call(request)
        if heartbeat is Liveness.EVICTED:
            raise LostServer
        if heartbeat is Liveness.LOST:
            await self._restore(reply[1].decode())

    async def _restore(self, epoch: str) -> None:
        text = "Redis has lost its data; this server registers again"
        logger.warning(text, extra=self._fields("data_lost"))
        about = ProcessInfo.this("server")
        requests = list(commands.restore(self.server, epoch, about, RESTORED_AT_ONCE))
        for request in requests:
            if await asyncio.to_thread(self.layer.client.call, request) == b"buried":
                raise LostServer
        self.server.restored()
        self.life.begin_again(epoch)
        logger.warning("This server is registered again", extra=self._fields("data_restored"))

    def _fields(self, event: str) -> dict[str, str | int]:
        return fields(event, process_id=self.server.id)

    def _lose(self) -> None:
        text = "Redis does not know this server any more; its sockets are closed"
        logger.error(text, extra=self._fields("server_lost"))
        self.layer.forget_server()
        for channel, receiver in list(self.server.receivers.items()):
            try:
                receiver.evicted()
            except Exception:  # the others are to be told all the same
                extra = fields("delivery_failed", connection=channel)
                logger.exception("Telling %s of the loss failed", channel, extra=extra)
        self.server.forget_all()


def ignore(reply: Any) -> None:
    """Do nothing with what a script says."""


class LostServer(Exception):
    """Redis has no registration of this server: it was reaped, or the data is lost."""
