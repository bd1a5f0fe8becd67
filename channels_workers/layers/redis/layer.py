"""The Redis layer: blocking connections for workers, a server session for an interface server."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.clock import LayerClock
from channels_workers.layers.codec import Content
from channels_workers.layers.history import Histories, Joined
from channels_workers.layers.redis import commits, kept_requests, requests, told, wire
from channels_workers.layers.redis.admin import RedisAdmin
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.kept import RedisKept
from channels_workers.layers.redis.registration import Registration, Registrations
from channels_workers.layers.redis.relays import RedisRelays
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.redis.session import ServerSession
from channels_workers.layers.redis.shard import Shard, check_limit
from channels_workers.layers.redis.shard_hosts import read_shards
from channels_workers.layers.redis.sharded import ShardedRedisLayer
from channels_workers.layers.redis.statistics import read_channel, read_global
from channels_workers.layers.redis.streams import RECOVERED, Pull, Streams
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.shards.types import LOG_BYTES, LOG_ENTRIES, Mark
from channels_workers.layers.types import (
    KEPT_MARK,
    RESUME,
    Closed,
    Committed,
    Delivery,
    Finished,
    Join,
    Leave,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Resume,
    Session,
    Statistics,
    new_id,
)
from channels_workers.tracing import hooks

#: How many connections of a server are looked up in one request.
LOOKED_AT = 1_000


class RedisChannelLayer(WorkerLayer):
    """A channel layer in one Redis (6.2 or later), or a Sentinel pair, or in several of them.

    *hosts* takes the forms of channels-redis. Several entries, or a dict of them by name, are
    shards, over which the layer spreads its data. *log_entries* and *log_bytes* bound what these
    keep for each other. *prefix* begins every key. Without *lifeline*, the death of a process is
    noticed after 5 s instead of one. The other options are those of
    :class:`~channels_workers.layers.channel_layer.ChannelLayer`. A layer of several shards adds
    *shard*, the one whose data this Redis has.
    """

    def __new__(
        cls,
        hosts: Any = None,
        prefix: str = "channels",
        lifeline: bool = True,
        log_entries: int = LOG_ENTRIES,
        log_bytes: int = LOG_BYTES,
        **config: Any,
    ) -> Any:
        """Return a layer, perhaps one with several shards."""
        shards = read_shards(hosts)
        check_limit("log_entries", log_entries)
        check_limit("log_bytes", log_bytes)
        if len(shards) == 1:
            return super().__new__(cls)
        return ShardedRedisLayer(
            shards,
            cls,
            log_entries=log_entries,
            log_bytes=log_bytes,
            prefix=prefix,
            lifeline=lifeline,
            **config,
        )

    def __init__(
        self,
        hosts: Any = None,
        prefix: str = "channels",
        lifeline: bool = True,
        log_entries: int = LOG_ENTRIES,
        log_bytes: int = LOG_BYTES,
        **config: Any,
    ) -> None:
        shard: Shard | None = config.pop("shard", None)
        super().__init__(**config)
        if shard:
            self.shard, self.shard_names = shard.name, shard.names
        self.client = Client(hosts, prefix, shard)
        self.clock = LayerClock(self.client.time)
        self.streams = Streams(self.client, self.refusals)
        if "cluster" in self.client.host:  # a moved slot leaves its subscribers behind
            lifeline = False
        self._registrations = Registrations(self.client, lifeline)
        self.admin = RedisAdmin(self.client, self.refusals, self._registrations)
        known = (self.histories, self._registrations)
        self.relays = RedisRelays(self.client, self.get_capacity, *known)
        self.kept = RedisKept(self)
        #: Finds up to where this shard has heard the logs of the others, if there are several.
        self.find_marks: Callable[[], Mapping[str, Mark]] = dict
        #: Calls a script on another shard.
        self.call_shard: Callable[[str, Request], Any] = _no_shard
        self._server_session: ServerSession | None = None
        self._of_parents: list[ServerSession] = []

    def begin_in_child(self) -> None:
        """Share no connection, registration or session with the parent of this forked child."""
        super().begin_in_child()
        if self._server_session is not None:  # its end would reach into the loop of the parent
            self._of_parents.append(self._server_session)
        self._server_session = None
        self.client.renew()
        self.clock = LayerClock(self.client.time)
        self.streams.begin_in_child()
        self.admin = RedisAdmin(self.client, self.refusals, self._registrations)
        self._registrations.begin_in_child()

    def __str__(self) -> str:
        return f"RedisChannelLayer({self.client})"

    @property
    def address(self) -> str:
        """The address of Redis, without secrets."""
        return str(self.client)

    # The methods of Channels 4

    async def flush(self) -> None:
        """Delete every key with the prefix of the layer, except those of living processes.

        Sockets stay open. Each server publishes their pending messages again, and stays in its
        groups, except the server of this process.
        """
        await asyncio.to_thread(self.client.flush, self._server.id if self._server else "")

    async def _receive_ordinary(self, channel: str) -> Content:
        delivery = await self.streams.receive(channel)
        content = self.codec.decode(delivery.payload)
        content.pop(hooks.CARRIER, None)
        return content

    # The interface side

    def _register_server(self, server: Server) -> None:
        atexit.register(self._retire_idle_server, server)  # the session registers it

    def register_server(self, server: str) -> Registration:
        """Register *server*, with the checks of :meth:`register`."""
        return self._registrations.register(server, self.about_server())

    def about_server(self) -> ProcessInfo:
        """Return what the server of this process says about itself."""
        return ProcessInfo.this("server")._replace(shards=self.shard_names)

    async def first_attempt(self) -> None:
        """Wait for the first attempt to register the server; raise its error."""
        await self.living_session().first_attempt()

    async def _until_registered(self) -> None:
        while not await self.living_session().registered():
            pass  # it ended with another event loop; the next session is in this one

    def _make_home(self, server: Server) -> None:
        with self._lock:
            if self._running_session() is None:
                self._server_session = ServerSession(self, server)
                self._server_session.loop.call_soon(self.detach_ended)

    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        if departures:
            self.living_session().depart(departures)

    def _home(self) -> asyncio.AbstractEventLoop | None:
        session = self._running_session()
        return session.loop if session else None

    def _running_session(self) -> ServerSession | None:
        session = self._server_session
        return None if session is None or session.ended() else session

    def living_session(self) -> ServerSession:
        """Return the session of the server of this process; LayerUnavailable without a server."""
        session = self._server_session
        if session is None or self._server is None:
            raise LayerUnavailable("No server of this layer runs in this process.")
        if session.ended():
            self._make_home(self._server)
            return self.living_session()
        return session

    def hold_lifeline(self, server: str) -> None:
        """Hold the lifeline of *server*, which was registered again."""
        self._registrations.lifeline.hold(server)

    def forget_server(self) -> None:
        """Drop the server, which Redis has evicted; the next call starts a new one."""
        if self._server is not None:
            self._registrations.lifeline.release(self._server.id)
        self._server = self._server_session = None
        atexit.unregister(self._retire_idle_server)

    def _retire_idle_server(self, server: Server) -> None:
        # A server with sockets is left to a reaper, which ends their connections.
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
        """Publish a message of a connection, exactly once; call *done* after that."""
        session, asked = self._server_session, reply_channel
        if (  # a call less for each message
            session is None
            or self._server is None
            or session.writer.has_ended
            or session.loop.is_closed()
        ):
            session = self.living_session()
        if KEPT_MARK in reply_channel:
            asked = kept_requests.asked(session.server.kept.claim(reply_channel), reply_channel)
            if channel == RESUME:
                session.server.kept.note_resume(reply_channel)
        message: Arguments = [channel, asked, order, payload, disconnect_payload]
        request = Request("publish", message, in_epoch=True, read=wire.PUBLISHED.__getitem__)
        session.writer.add(request, done)

    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection; this waits while Redis is away."""
        session = self.living_session()
        server = session.server
        if not server.end(reply_channel, code):
            return Closed.GONE
        asked = reply_channel
        if KEPT_MARK in reply_channel:
            server.kept.note_parked(reply_channel, None)
            asked = kept_requests.asked(server.kept.claim(reply_channel), reply_channel)
        reply = await session.call(Request("close", [asked, code], in_epoch=True))
        closed = Closed(reply.decode())
        if closed is Closed.WITHDRAWN:
            server.forget_end(reply_channel)
            server.ended.add(reply_channel)
        elif closed is Closed.GONE:  # it has ended, unless the next heartbeat reports a loss
            server.unsure.add(reply_channel)
        return closed

    async def withdraw(self, reply_channel: str) -> bool:
        """Delete a request that no worker has taken; this waits while Redis is away."""
        session = self.living_session()
        try:
            return bool(await session.call(Request("withdraw", [reply_channel], in_epoch=True)))
        finally:
            session.server.ended.add(reply_channel)

    def tell(self, reply_channel: str, payload: bytes) -> None:
        """Send *payload* to the consumer that listens to a request; wait while Redis is away."""
        try:
            self.living_session().tell(reply_channel, payload)
        except LayerUnavailable as error:
            requests.note_untold(error)

    def inbox_waits(self) -> float:
        """Return for how long the inbox of this process was not read to its end (s)."""
        session = self._running_session()
        return session.inbox_waits() if session else 0.0

    def inbox_lag(self) -> float | None:
        """Return how old the entry is that this process has reached in its inbox (s)."""
        session = self._running_session()
        return session.inbox_lag(self.clock.age) if session else 0.0

    async def retire_server(self) -> None:
        """Leave all groups, delete inbox and registration, end the session."""
        if self._server is not None and self._server_session is not None:
            server, session = self._server, self._server_session
            self.forget_server()
            await session.stop()
            await asyncio.to_thread(self.retire, server.id, (), ())

    async def workers(self) -> dict[str, int]:
        """Return the heartbeat counters of workers, by the session if it is in this loop."""
        request = Request("workers", [], repeatable=False, ordered=False)
        if self._server_session is None or not self._server_session.is_here():
            found = await asyncio.to_thread(self.client.call, request)
        else:
            with self.client.explained():
                found = await self._server_session.call(request)
        return wire.read_counters(found)

    def disconnect(self) -> None:
        """Close the blocking connections; the next request opens new ones."""
        self._registrations.lifeline.end()
        self.client.disconnect()

    # The worker side

    def _register(self, process: str, about: ProcessInfo) -> None:
        self._registrations.register(process, about)

    def _describe(self, process: str, about: ProcessInfo) -> None:
        self._registrations.describe(process, about)

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless Redis answers, is new enough and no cluster."""
        self.client.check_server()

    def _heartbeat(self, process: str) -> Liveness:
        return self._registrations.heartbeat(process)

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*, unless one of *consumers* still holds a delivery."""
        self._registrations.retire(process, consumers, channels)
        self.streams.release_pipelines()

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds; after a lost reply, return pending deliveries first."""
        return self.streams.pull(Pull(tuple(channels), consumer, timeout, count))

    def pending_deliveries(
        self, channels: Sequence[str], consumers: Sequence[str]
    ) -> list[Delivery]:
        """Return the deliveries that *consumers* have not finished."""
        pulls = (Pull(tuple(channels), consumer, 0, RECOVERED) for consumer in consumers)
        return [delivery for pull in pulls for delivery in self.streams.pending(pull)]

    def commit(self, finished: Finished) -> Committed:
        """Finish a delivery in one step; may be repeated after a connection error."""
        (request,) = commits.requests([finished], *self._known())
        (reply,) = self.streams.call(request)
        return wire.read_committed(reply, self.get_capacity)

    def commit_and_pull(
        self,
        finished: Sequence[Finished],
        channels: Sequence[str],
        timeout: float,
        count: int,
    ) -> tuple[list[Committed | Exception], list[Delivery]]:
        """Commit and pull in one write, unless the pull must read pending deliveries first."""
        pull = Pull(tuple(channels), finished[0].delivery.consumer, timeout, count)
        sent = commits.requests(finished, self.get_capacity, self.histories, self.client.shard)
        replies, found = self.streams.call_and_pull(sent, pull)
        return commits.results(sent, replies, self.client, self.get_capacity), found

    def commit_all(self, finished: Sequence[Finished]) -> list[Committed | Exception]:
        """Commit in one write."""
        sent = commits.requests(finished, self.get_capacity, self.histories, self.client.shard)
        return commits.results(sent, self.streams.call_all(sent), self.client, self.get_capacity)

    def change_groups(self, delivery: Delivery, changes: Sequence[Join | Leave]) -> Committed:
        """Join and leave groups now; may be repeated after a connection error."""
        held: Arguments = [delivery.channel, delivery.token, delivery.consumer]
        encoded = requests.encode_operations(changes, *self._known())
        return Committed(self.streams.call(Request("change_groups", held + encoded)).decode())

    def resume(
        self, wanted: Resume, delivery: Delivery | None = None, quick: bool = False
    ) -> Joined | None:
        """Join a group with history now; may be repeated after a connection error."""
        if self.histories is None:
            raise ValueError("No group of this layer has a history.")
        most = configuration().INBOX_BYTES // 2
        known = wanted, delivery, self.histories, most
        home, seed = self._home_of_history(wanted.group), "?"
        if home is None:
            seed = ""
        reply = self.streams.call(requests.resume(*known, seed), quick)
        if home is not None and reply[0] == b"unopened":
            opened = requests.open_history(wanted.group, wanted.limits, self.histories)
            seed = ""  # those who come back see a gap
            with suppress(LayerUnavailable):
                if epoch := self.call_shard(home, opened).decode():
                    seed = f"={epoch}"
            reply = self.streams.call(requests.resume(*known, seed), quick)
        return wire.read_joined(reply)

    def _home_of_history(self, group: str) -> str | None:
        """Return the shard that gives messages to *group* positions; None if it is this one."""
        home = self.client.shard and self.client.shard.home_of(group)
        return None if home == self.shard else home

    def listen(self, reply_channel: str, timeout: float) -> bytes | None:
        """Wait up to *timeout* seconds for what the server tells; in parts of two seconds."""
        return told.listen(self.client, reply_channel, timeout)

    def quarantine(self, delivery: Delivery) -> Committed:
        """Note that *delivery* begins to run; may be repeated after a connection error."""
        held: Arguments = [delivery.channel, delivery.token, delivery.consumer]
        return Committed(self.streams.call(Request("quarantine", held)).decode())

    def requeue(self, delivery: Delivery, *, counted: bool, failed: bool = False) -> Committed:
        """Hand *delivery* back."""
        held: Arguments = [delivery.channel, delivery.token, delivery.consumer]
        name, count = "attempts", delivery.attempts
        if failed:
            name, count = "failures", delivery.failures
        reply = self.client.call(Request("requeue", [*held, name, count + counted]))
        return Committed(reply.decode())

    def dead_letter(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter."""
        held: Arguments = [delivery.channel, delivery.token, delivery.consumer]
        kept = configuration().DEAD_LETTERS
        reply = self.client.call(Request("dead_letter", [*held, reason, kept, *self.refusals]))
        return Committed(reply.decode())

    # Everywhere

    def apply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Carry out *operations* now.

        After :class:`LayerUnavailable` it is unknown whether they were: nothing is repeated.
        """
        reply = self.streams.call(self._send_request(operations), quick).decode()
        wire.read_full(reply, self.get_capacity)

    async def aapply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Carry out *operations* now."""
        if self._server_session is None or not self._server_session.is_here():
            await asyncio.to_thread(self.apply, operations, quick)
            return
        limit = configuration().SEND_TIMEOUT if quick else None
        with self.client.explained():
            async with asyncio.timeout(limit):
                reply = await self._server_session.call(self._send_request(operations))
        wire.read_full(reply.decode(), self.get_capacity)

    def _known(self) -> tuple[Callable[[str], int], Histories | None, Shard | None]:
        return self.get_capacity, self.histories, self.client.shard

    def _send_request(self, operations: Sequence[Operation]) -> Request:
        encoded = requests.encode_operations(operations, *self._known())
        return Request("send", [new_id(), *encoded], repeatable=False)

    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* whose connection has not ended."""
        found: set[str] = set()
        for request in requests.connected(reply_channels, LOOKED_AT):
            found.update(each.decode() for each in self.client.call(request))
        return found

    def load_session(self, reply_channel: str) -> bytes | None:
        """Return the saved channel session."""
        found: bytes | None = self.client.read("GET", f"session:{reply_channel}", "string")
        return found

    def save_session(self, session: Session) -> None:
        """Save a channel session now, if the connection has not ended."""
        self.client.call(Request("save_session", list(session)))

    def length(self, channel: str) -> int:
        """Return how many messages wait or are pending."""
        return self.streams.length(channel)

    def _members(self, group: str) -> set[str]:
        found: list[bytes] = self.client.read("HKEYS", f"group:{group}", "hash")
        return {member.decode("utf-8", "backslashreplace") for member in found}

    # Statistics

    def global_statistics(self) -> Statistics:
        """Return the statistics of all ordinary channels; this scans the keys."""
        with self.client.explained():
            return read_global(self.client.redis, self.client.prefix)

    def channel_statistics(self, channel: str) -> Statistics:
        """Return the statistics of an ordinary channel."""
        self.require_valid_channel_name(channel)
        with self.client.explained():
            return read_channel(self.client.redis, self.client.prefix, channel)


def _no_shard(shard: str, request: Request) -> Any:
    raise LayerUnavailable(f"Shard {shard} is not known here.")
