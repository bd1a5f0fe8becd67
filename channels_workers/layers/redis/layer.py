"""The Redis layer: the worker side with blocking connections, the interface side by a link."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.redis import commands
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.commands import Request
from channels_workers.layers.redis.life import Life
from channels_workers.layers.redis.link import Link
from channels_workers.layers.redis.processes import Processes
from channels_workers.layers.redis.streams import RECOVERED, Pull, Streams
from channels_workers.layers.redis.upkeep import RedisUpkeep
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.types import (
    Closed,
    Committed,
    Delivery,
    Finished,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Session,
    new_id,
)

#: How many connections of a server are looked up in one request.
LOOKED_AT = 1_000


class RedisChannelLayer(RedisUpkeep, WorkerLayer):
    """A channel layer in one Redis (6.2 or later), or a Sentinel pair.

    *hosts* takes what channels-redis takes, for one server; *prefix* begins every key. The
    other options are those of :class:`~channels_workers.layers.channel_layer.ChannelLayer`.
    """

    def __init__(self, hosts: Any = None, prefix: str = "channels", **config: Any) -> None:
        super().__init__(**config)
        self.client = Client(hosts, prefix)
        self.streams = Streams(self.client, self.refusal)
        self._processes = Processes(self.client)
        self._link: Link | None = None
        self._of_parents: list[Link] = []

    def begin_in_child(self) -> None:
        """Share no connection, registration or link with the parent of this forked child."""
        super().begin_in_child()
        if self._link is not None:  # kept: its end would reach into the parent's event loop
            self._of_parents.append(self._link)
        self._link = None
        self.client.renew()
        self.streams.begin_in_child()
        self._processes.begin_in_child()

    def __str__(self) -> str:
        return f"RedisChannelLayer({self.client})"

    # The Channels 4 face

    async def flush(self) -> None:
        """Delete every key with the layer's prefix, but for what says which processes live.

        Sockets stay: each server publishes again what was under way of them, and stays in its
        groups, but for the one of this process.
        """
        await asyncio.to_thread(self.client.flush, self._server.id if self._server else "")

    async def _receive_ordinary(self, channel: str) -> Content:
        delivery = await self.streams.receive(channel)
        return self.codec.decode(delivery.payload)

    # The interface side

    def _register_server(self, server: Server) -> None:
        atexit.register(self._say_goodbye, server)  # the link registers it

    def register_server(self, server: str) -> Life:
        """Make *server* known, with the look of :meth:`register`."""
        return self._processes.register(server, ProcessInfo.this("server"))

    async def first_attempt(self) -> None:
        """Wait for the first answer to the registration; raise what is wrong."""
        await self._living_link().first_attempt()

    async def _until_registered(self) -> None:
        while not await self._living_link().registered():
            pass  # it ended with its event loop, which was another one; the next is in this one

    def _make_home(self, server: Server) -> None:
        with self._lock:
            if self._link is None or self._link.ended():
                self._link = Link(self, server)
                self._link.loop.call_soon(self.detach_ended)

    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        if departures:
            self._living_link().depart(departures)

    def _home(self) -> asyncio.AbstractEventLoop | None:
        return None if self._link is None or self._link.ended() else self._link.loop

    def _living_link(self) -> Link:
        if self._link is None or self._server is None:
            raise LayerUnavailable("No server of this layer runs in this process.")
        if self._link.ended():
            self._make_home(self._server)
        return self._link

    def forget_server(self) -> None:
        """Drop the server, which Redis does not know any more; the next call makes a new one."""
        self._server = self._link = None
        atexit.unregister(self._say_goodbye)

    def _say_goodbye(self, server: Server) -> None:
        # A server that has sockets is left to whoever cleans up after it.
        if server is self._server and not server.receivers:
            with suppress(LayerUnavailable):
                self.retire(server.id, (), ())

    def start_publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        done: Callable[[Published | Exception], object],
    ) -> None:
        """Put a message of a connection into *channel*, once; *done* is called after that."""
        message: commands.Arguments = [channel, reply_channel, order, payload, disconnect_payload]
        self._living_link().start(commands.publish(message), done)

    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection; waits while Redis is away."""
        link = self._living_link()
        server = link.server
        if not server.end(reply_channel, code):
            return Closed.GONE
        reply = await link.call(Request("close", [reply_channel, code], in_epoch=True))
        closed = Closed(reply.decode())
        if closed is Closed.WITHDRAWN:
            server.forget_end(reply_channel)
        elif closed is Closed.GONE:  # it has ended, unless the next heartbeat says that all is lost
            server.unsure.add(reply_channel)
        return closed

    def inbox_waits(self) -> float:
        """Return for how long the inbox of this process has not been read to its end (s)."""
        return 0.0 if self._link is None or self._link.ended() else self._link.inbox_waits()

    async def retire_server(self) -> None:
        """Leave all groups, drop inbox and registration, end the link."""
        if self._server is not None and self._link is not None:
            server, link = self._server, self._link
            self.forget_server()
            await link.stop()
            await asyncio.to_thread(self.retire, server.id, (), ())

    async def workers(self) -> dict[str, int]:
        """Return the heartbeat counter of each worker, by the link if one is here."""
        request = Request("workers", [], repeatable=False, ordered=False)
        if self._link is None or not self._link.is_here():
            found = await asyncio.to_thread(self.client.call, request)
        else:
            with self.client.explained():
                found = await self._link.call(request)
        return commands.read_counters(found)

    def disconnect(self) -> None:
        """Close the blocking connections; the next request opens new ones."""
        self.client.disconnect()

    # The worker side

    def _register(self, process: str, about: ProcessInfo) -> None:
        """Make *process* known, after a look at what kind of server answers."""
        self._processes.register(process, about)

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless Redis answers, is new enough and no cluster."""
        self.client.check_server()

    def _heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*; end a recovery whose time is over."""
        return self._processes.heartbeat(process)

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*; consumers that still hold deliveries stay, with them."""
        self._processes.retire(process, consumers, channels)
        self.streams.release_lines()

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds; after a lost reply, return what is still ours first."""
        return self.streams.pull(Pull(tuple(channels), consumer, timeout, count))

    def held(self, channels: Sequence[str], consumers: Sequence[str]) -> list[Delivery]:
        """Return what *consumers* hold."""
        pulls = (Pull(tuple(channels), consumer, 0, RECOVERED) for consumer in consumers)
        return [delivery for pull in pulls for delivery in self.streams.held(pull)]

    def commit(
        self,
        delivery: Delivery,
        operations: Sequence[Operation] = (),
        session: Session | None = None,
    ) -> Committed:
        """Finish a delivery in one step; may be repeated after a connection error."""
        request = self._commit_request(Finished(delivery, operations, session))
        return commands.read_committed(self.streams.call(request), self.get_capacity)

    def commit_and_pull(
        self,
        finished: Sequence[Finished],
        channels: Sequence[str],
        timeout: float,
        count: int,
    ) -> tuple[list[Committed | Exception], list[Delivery]]:
        """Commit and pull in one write, unless something is to be looked for first."""
        pull = Pull(tuple(channels), finished[0].delivery.consumer, timeout, count)
        if self.streams.is_recovering(pull.consumer):
            return [self._try_commit(each) for each in finished], []
        requests = [self._commit_request(each) for each in finished]
        replies, found = self.streams.call_and_pull(requests, pull)
        return [self._committed(reply) for reply in replies], found

    def _commit_request(self, finished: Finished) -> Request:
        return commands.commit(finished, self.get_capacity)

    def _committed(self, reply: Any) -> Committed | Exception:
        try:
            if isinstance(reply, Exception):
                self.client.explain(reply)
                raise reply
            return commands.read_committed(reply, self.get_capacity)
        except Exception as error:  # noqa: BLE001  (whoever asked looks at it)
            return error

    def requeue(self, delivery: Delivery, *, counted: bool, failed: bool = False) -> Committed:
        """Hand *delivery* back."""
        held: commands.Arguments = [delivery.channel, delivery.token, delivery.consumer]
        name, count = "attempts", delivery.attempts
        if failed:
            name, count = "failures", delivery.failures
        reply = self.client.call(Request("requeue", [*held, name, count + counted]))
        return Committed(reply.decode())

    def dead_letter(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter."""
        held: commands.Arguments = [delivery.channel, delivery.token, delivery.consumer]
        kept = configuration().DEAD_LETTERS
        reply = self.client.call(Request("dead_letter", [*held, reason, kept, self.refusal]))
        return Committed(reply.decode())

    # Everybody

    def apply(self, operations: Sequence[Operation]) -> None:
        """Carry out *operations* now.

        After :class:`LayerUnavailable` it is not known whether they were: nothing is repeated.
        """
        reply = self.streams.call(self._send_request(operations)).decode()
        commands.read_full(reply, self.get_capacity)

    async def aapply(self, operations: Sequence[Operation]) -> None:
        """Carry out *operations* now."""
        if self._link is None or not self._link.is_here():
            await asyncio.to_thread(self.apply, operations)
            return
        with self.client.explained():
            reply = await self._link.call(self._send_request(operations))
        commands.read_full(reply.decode(), self.get_capacity)

    def _send_request(self, operations: Sequence[Operation]) -> Request:
        encoded = commands.encode_operations(operations, self.get_capacity)
        return Request("send", [new_id(), *encoded], repeatable=False)

    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* whose connection has not ended."""
        found: set[str] = set()
        for request in commands.connected(reply_channels, LOOKED_AT):
            found.update(each.decode() for each in self.client.call(request))
        return found

    def load_session(self, reply_channel: str) -> bytes | None:
        """Return the saved channel session."""
        found: bytes | None = self.client.read("GET", f"session:{reply_channel}", "string")
        return found

    def save_session(self, session: Session) -> None:
        """Save a channel session at once, if the connection lives."""
        self.client.call(Request("save_session", list(session)))

    def length(self, channel: str) -> int:
        """Return how many messages wait or are under way."""
        return self.streams.length(channel)

    def members(self, group: str) -> set[str]:
        """Return the members of a group."""
        found: list[bytes] = self.client.read("HKEYS", f"group:{group}", "hash")
        return {member.decode("utf-8", "backslashreplace").lstrip("*") for member in found}
