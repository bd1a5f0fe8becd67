"""The session of one interface server with Redis: it writes, reads its inbox and heartbeats."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Protocol

from channels_workers.backoff import Backoff
from channels_workers.concurrency.futures import settle
from channels_workers.exceptions import LayerUnavailable, ServerEvicted
from channels_workers.layers.kept import HandOver
from channels_workers.layers.redis import hosts, kept_requests, requests
from channels_workers.layers.redis.async_pipeline import make_async_pipeline
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.heartbeat import INTERVAL as HEARTBEAT_INTERVAL
from channels_workers.layers.redis.heartbeat import HeartbeatThread
from channels_workers.layers.redis.inbox_reader import INBOX_BLOCK, InboxReader
from channels_workers.layers.redis.marks import MarksHeard
from channels_workers.layers.redis.registration import Registration
from channels_workers.layers.redis.requests import Request, ignore
from channels_workers.layers.redis.writer import Writer
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.shards.types import Mark
from channels_workers.layers.types import Liveness, ProcessInfo, Unreadable
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Connections registered again in one request.
RESTORED_AT_ONCE = 100

#: An empty inbox was read to its end so long ago at most (s), or Redis or the loop is late.
OVERDUE = INBOX_BLOCK / 1000 + 1.0

#: Ended connections that one heartbeat names; see ``heartbeat.lua``.
ENDED_AT_ONCE = 5_000


class Layer(Protocol):
    """The parts of a layer that a session uses."""

    client: Client
    find_marks: Callable[[], Mapping[str, Mark]]

    def about_server(self) -> ProcessInfo:
        """Return what the server says about itself."""
        ...

    def register_server(self, server: str) -> Registration:
        """Register *server*; this blocks."""

    def hold_lifeline(self, server: str) -> None:
        """Hold the lifeline of *server*, which was registered again."""

    def forget_server(self) -> None:
        """Drop the server, which Redis has evicted."""


class ServerSession:
    """Writer, inbox reader and heartbeat of *server*, in the event loop that makes it.

    After Redis has lost its data, it registers the server again, with all connections.
    """

    def __init__(self, layer: Layer, server: Server) -> None:
        self.layer = layer
        self.server = server
        self.host = layer.client.host
        self.registration = Registration(server.id, "")
        self.loop = asyncio.get_running_loop()
        known = layer.client.prefix, HEARTBEAT_INTERVAL, layer.client.shards
        self.writer = Writer(self.host, *known)
        inbox = layer.client.key(f"inbox:{server.id}")
        self._reader = InboxReader(self.host, inbox, server, self)
        #: Whether the server is registered, and the result of the first attempt. Coroutines of
        #: other event loops wait for them.
        self._registered: concurrent.futures.Future[bool] = concurrent.futures.Future()
        self._first_attempt: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._marks_heard = MarksHeard(server.heard)
        self._heartbeat_is_due = asyncio.Event()
        self._thread = HeartbeatThread(layer.client, self.loop, self.trim_inbox)
        self._duties: list[asyncio.Task[None]] = []
        self._task = self.loop.create_task(self._run(), name="channels_workers server session")
        self._task.add_done_callback(self._log_failure)

    def ended(self) -> bool:
        """Say whether this session, or its event loop, has ended."""
        return self.writer.has_ended or self.loop.is_closed()

    def is_here(self) -> bool:
        """Say whether this session runs in the caller's event loop."""
        return not self.ended() and asyncio.get_running_loop() is self.loop

    async def registered(self) -> bool:
        """Wait until the server is registered; return False if the session ends before that."""
        if self._registered.done():
            return self._registered.result()
        return await asyncio.shield(asyncio.wrap_future(self._registered))

    async def first_attempt(self) -> None:
        """Wait for the first attempt to register the server; raise its error."""
        await asyncio.shield(asyncio.wrap_future(self._first_attempt))

    async def call(self, request: Request) -> Any:
        """Wait for the result of *request*, or raise its error; see :meth:`Writer.add`."""
        reply = self.loop.create_future()
        self.writer.add(request, partial(settle, reply))
        try:
            return await reply
        except asyncio.CancelledError:
            request.is_over = True
            raise

    def depart(self, departures: Iterable[Departure]) -> None:
        """Take the server out of groups that have no member here any more, soon."""
        for group, entry in departures:
            self.writer.add(Request("leave", [self.server.id, group, entry]), ignore)

    def tell(self, reply_channel: str, payload: bytes) -> None:
        """Tell the consumer of a request something, soon."""
        known = (self.server.position, self.registration.epoch)
        self.writer.add(Request("tell", [reply_channel, payload, *known]), requests.note_untold)

    def inbox_waits(self) -> float:
        """Return for how long the inbox was not read to its end (s)."""
        return time.monotonic() - self._reader.read_at if self._registered.done() else 0.0

    def inbox_lag(self, age: Callable[[str], float | None]) -> float | None:
        """Return how old the entry is that was reached in the inbox (s), by *age*.

        0 when all is read. A read that is overdue counts by the time since the last one.
        """
        if self._reader.is_behind:
            return age(self.server.entry)
        waits = self.inbox_waits()
        return waits if waits > OVERDUE else 0.0

    def keep_unreadable(self, found: Iterable[Unreadable]) -> None:
        """Keep notes of unreadable data in Redis, soon."""
        self.writer.add(requests.set_aside(self.server.id, found), ignore)

    def mend_inbox(self) -> None:
        """Set the key of the inbox aside, soon, if it is not a stream."""
        request = Request("mend_keys", [f"inbox:{self.server.id}", "stream"], ordered=False)
        self.writer.add(request, ignore)

    def hand_over(self, found: Iterable[HandOver]) -> None:
        """Give the new servers of connections what this one had for their clients, soon."""
        for each in found:
            self.writer.add(kept_requests.hand_over(each), ignore)

    def trim_inbox(self) -> None:
        """Trim the inbox, soon: responses of workers may fill it before the next heartbeat."""
        self._heartbeat_is_due.set()

    def republish(self) -> None:
        """Publish the pending messages of connections again, soon, after a flush."""
        for request in requests.republish(self.server, RESTORED_AT_ONCE):
            self.writer.add(request, ignore)

    async def stop(self) -> None:
        """End the session and close its connections."""
        # In a loop, as a cancellation may be swallowed; see `hosts.goes_on`.
        while not self._task.done():
            for task in (self._task, *self._duties):
                task.cancel()
            await asyncio.wait([self._task], timeout=0.1)

    async def _run(self) -> None:
        pool = hosts.asyncio_pool(self.host)
        try:
            await self._register()
            self._thread.start(self.registration)
            async with asyncio.TaskGroup() as tasks:
                writing = self.writer.write(make_async_pipeline(pool), self.registration)
                reading = self._reader.read(make_async_pipeline(pool))
                duties = (writing, reading, self._heartbeat())
                self._duties = [tasks.create_task(duty) for duty in duties]
        except* ServerEvicted:
            self._evict()
        finally:
            self._end()
            await pool.disconnect()

    def _end(self) -> None:
        self._thread.end()
        self.writer.end()
        if not self._first_attempt.done():
            self._first_attempt.set_exception(LayerUnavailable("The session with Redis has ended."))
        if not self._registered.done():
            self._registered.set_result(False)
        self.server.wake_mailboxes()  # readers in other loops begin a new session

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            text = "The session of this server with Redis has failed; the next call begins another"
            logger.error(text, exc_info=error, extra=self._fields("link_failed"))

    def _register_once(self) -> Registration:
        registration = self.layer.register_server(self.server.id)
        # It has no members yet, so it misses nothing up to these marks.
        self.server.heard.read_all(self.layer.find_marks())
        return registration

    async def _register(self) -> None:
        attempts = Backoff(logger, "Registering this server", HEARTBEAT_INTERVAL)
        while True:
            try:
                self.registration = await asyncio.to_thread(self._register_once)
            except Exception as error:  # noqa: BLE001  (logged; nothing works without a registration)
                self.writer.outage = hosts.unavailable(self.host, error)
                if not self._first_attempt.done():
                    self._first_attempt.set_exception(self.writer.outage)
                await asyncio.sleep(attempts.failed(error))
            else:
                attempts.succeeded()
                self.writer.outage = None
                if not self._first_attempt.done():
                    self._first_attempt.set_result(None)
                self._registered.set_result(True)
                return

    # Heartbeats

    async def _heartbeat(self) -> None:
        while hosts.goes_on():
            await self._until_due()
            try:
                await self._heartbeat_once()
            except LayerUnavailable as error:
                logger.error("The heartbeat failed: %s", error, extra=self._fields("trying_again"))
            except ServerEvicted:
                raise
            except Exception:
                logger.exception("The heartbeat failed", extra=self._fields("trying_again"))

    async def _until_due(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_INTERVAL):
                await self._heartbeat_is_due.wait()
        self._heartbeat_is_due.clear()

    async def _heartbeat_once(self) -> None:
        unsure, ended = set(self.server.unsure), list(islice(self.server.ended, ENDED_AT_ONCE))
        reply = await self.call(self.registration.heartbeat(self.server.position, ended))
        liveness = self.registration.read(reply, time.monotonic())
        self._thread.session_got_through()
        self.server.unsure -= unsure
        if liveness is Liveness.ALIVE:
            self.server.forget_ends(unsure)
            self._marks_heard.note(reply[4:], self.server.position)
            if not self.registration.is_recovering:
                self.server.ended.difference_update(ended)
        for request in self.registration.follow_up(time.monotonic()):
            await self.call(request)
        if liveness is Liveness.EVICTED:
            raise ServerEvicted
        if liveness is Liveness.LOST:
            await self._restore(reply[1].decode())

    async def _restore(self, epoch: str) -> None:
        text = "Redis has lost its data; this server registers again"
        logger.warning(text, extra=self._fields("data_lost"))
        about = self.layer.about_server()
        parts = list(kept_requests.restore(self.server, epoch, RESTORED_AT_ONCE))
        parts += requests.restore(self.server, epoch, about, RESTORED_AT_ONCE)
        self._marks_heard.forget()
        unrestored = self.server.unrestored()
        self.writer.give_up(unrestored)
        for request in parts:
            if await asyncio.to_thread(self.layer.client.call, request) == b"evicted":
                raise ServerEvicted
            self.registration.begin_to_return(epoch)
            self._thread.session_got_through()
        self.server.restored()
        self.server.forget_requests(unrestored)
        self.registration.begin_again(epoch)
        self.layer.client.note_epoch(epoch)
        self.layer.hold_lifeline(self.server.id)
        logger.warning("This server is registered again", extra=self._fields("data_restored"))

    def _fields(self, event: str) -> dict[str, str | int]:
        return fields(event, process_id=self.server.id)

    def _evict(self) -> None:
        text = "Redis has evicted this server; its sockets are closed"
        logger.error(text, extra=self._fields("server_lost"))
        self.layer.forget_server()
        for channel, connection in list(self.server.connections.items()):
            try:
                connection.evicted()
            except Exception:  # one connection must not stop the others
                request_id = getattr(connection, "request_id", None) or None
                extra = fields("delivery_failed", connection=channel, request_id=request_id)
                logger.exception("Closing %s failed", channel, extra=extra)
        self.server.forget_all()
