"""The contract of a channel layer that feeds workers.

A layer has six sides:

* the methods of Channels 4's layer specification (coroutines), for class-based consumers and
  libraries: :class:`~channels_workers.layers.channel_layer.ChannelLayer`;
* the interface side (asyncio): :meth:`~WorkerLayer.attach`, :meth:`~WorkerLayer.publish`,
  :meth:`~WorkerLayer.tell`, :meth:`~WorkerLayer.withdraw`, :meth:`~WorkerLayer.close`,
  :meth:`~WorkerLayer.detach`;
* the worker side (threads, blocking): :meth:`~WorkerLayer.pull`, :meth:`~WorkerLayer.commit`,
  :meth:`~WorkerLayer.quarantine`, :meth:`~WorkerLayer.requeue`, :meth:`~WorkerLayer.listen`, and
  :meth:`~WorkerLayer.apply` for code outside consumers;
* the admin side (threads, blocking): ``layer.admin``, a
  :class:`~channels_workers.layers.admin.LayerAdmin`;
* the relay side (threads, blocking): ``layer.relays``, a
  :class:`~channels_workers.layers.relays.LayerRelays`;
* the kept side (asyncio): ``layer.kept``, a :class:`~channels_workers.layers.kept.LayerKept`.

``tests/channels_workers/layers/contract.py`` tests this contract; each implementation passes it.
"""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured

from channels_workers.concurrency import forks
from channels_workers.concurrency.futures import call_in, settle
from channels_workers.layers.admin import LayerAdmin
from channels_workers.layers.channel_layer import ChannelLayer
from channels_workers.layers.clock import LayerClock
from channels_workers.layers.kept import LayerKept
from channels_workers.layers.relays import LayerRelays
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.types import (
    REFUSAL,
    REQUEST_REFUSAL,
    Closed,
    Committed,
    Connection,
    Delivery,
    Finished,
    Join,
    Leave,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Refusals,
    ReplyKind,
    SendLater,
    Session,
    Statistics,
    is_from_server,
)
from channels_workers.tracing import hooks

__all__ = ["FORMAT_VERSION", "WorkerLayer"]

#: The version of keys and formats. Processes of different versions do not share data.
FORMAT_VERSION = 2

#: How many of its previous ids a worker process publishes.
PREVIOUS_IDS = 100


class WorkerLayer(ChannelLayer):
    """A channel layer that feeds workers.

    Its options are those of :class:`~channels_workers.layers.channel_layer.ChannelLayer`. Payloads
    are bytes of :class:`~channels_workers.layers.codec.Codec`. Methods that ask the layer raise
    :class:`LayerUnavailable` if it does not answer, unless they say that they wait.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "statistics", "workers"]

    #: Whether all data of the layer are in this process.
    local_only: ClassVar[bool] = False

    #: How old entries of an inbox and deliveries are; only metrics ask it.
    clock: LayerClock

    #: The admin side.
    admin: LayerAdmin

    #: The relay side.
    relays: LayerRelays

    #: The side that keeps connections whose client was lost.
    kept: LayerKept

    #: The logs between its shards, None if there is only one.
    shards: LayerShards | None = None

    #: The name of the shard whose data this layer has, None if there is only one.
    shard: str | None = None

    #: The names of all shards, if this layer is one of several.
    shard_names: tuple[str, ...] = ()

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._previous_ids: deque[str] = deque(maxlen=PREVIOUS_IDS)
        self._lock = threading.Lock()
        self._ended_channels: deque[str] = deque()
        #: The channels for which this process has looked whether anything listens to them.
        self.looked_at: set[str] = set()
        #: Called with the delay (s) when this process has delayed a message; they must not block.
        self.delay_listeners: set[Callable[[float], object]] = set()
        forks.renew_in_child(self)

    def begin_in_child(self) -> None:
        """Share nothing with the parent of this forked child, which is another process."""
        self._previous_ids = deque(maxlen=PREVIOUS_IDS)
        self._lock = threading.Lock()
        self._ended_channels = deque()
        self.delay_listeners = set()
        self._server = None

    @property
    def address(self) -> str:
        """Where the data are, without secrets."""
        return str(self)

    # The interface side

    def start_server(self) -> Server:
        """Return the server of this process; start it if there is none, without waiting.

        Call it in the event loop of its sockets.
        """
        with self._lock:  # views in threads open channels too, each in its own loop
            if self._server is None:
                server = Server(self.codec, self.shard)
                self._register_server(server)
                self._server = server
            server = self._server
        self._make_home(server)
        return server

    async def first_attempt(self) -> None:
        """Wait for the first attempt to register the server of this process.

        Raises its error. The layer tries again all the same.
        """

    async def attach(self, connection: Connection, kind: ReplyKind = ReplyKind.SOCKET) -> str:
        """Return a new reply channel for *connection*, without waiting.

        It is ``<server id>!<random>``, with the *kind* of a request before the random part. The
        layer calls the connection in this event loop.
        """
        return self.start_server().attach(connection, kind)

    def is_in_group(self, reply_channel: str) -> bool:
        """Say whether a channel of this process is in any group, as far as its server knows."""
        return self._server is not None and bool(self._server.groups_of.get(reply_channel))

    def leave_groups(self, reply_channel: str) -> None:
        """Take a channel of this process out of all groups; it cannot join one again."""
        if self._server is not None:
            self._depart(self._server, self._server.leave_groups(reply_channel))

    def detach(self, reply_channel: str) -> None:
        """Forget the receiver of *reply_channel*."""
        if self._server is not None:
            self._depart(self._server, self._server.detach(reply_channel))

    def _detach_from_any_thread(self, channel: str) -> None:
        self._ended_channels.append(channel)
        if (loop := self._home()) is not None:
            call_in(loop, self.detach_ended)

    def detach_ended(self) -> None:
        """Forget the channels whose names are gone, in the loop that reads the inbox.

        If that loop has ended, too, the next loop does it.
        """
        while self._ended_channels:
            self.detach(self._ended_channels.popleft())

    @abstractmethod
    def _home(self) -> asyncio.AbstractEventLoop | None:
        """Return the event loop that reads the inbox, if there is one."""

    @abstractmethod
    def _register_server(self, server: Server) -> None:
        """Register a new server, now or soon."""

    @abstractmethod
    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        """Take *server* out of groups that have no member on it."""

    @abstractmethod
    def start_publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        done: Callable[[Published | Exception], object],
    ) -> None:
        """Publish the message *order* of a connection to *channel*, exactly once, even if repeated.

        Order 0 makes the record of the connection, with the *disconnect_payload* of the
        ``websocket.disconnect`` or ``http.disconnect`` to come. *done* is called once in the event
        loop, perhaps before this returns, with the result or an error: :class:`ServerEvicted` if
        the server is not registered, RuntimeError while the message before is pending,
        :class:`LayerUnavailable` if the server leaves the layer meanwhile. Raises the latter if it
        has left.
        """

    async def publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes = b"",
    ) -> Published:
        """Do the same as :meth:`start_publish`, and wait for the result, or raise the error.

        Cancelling it ends only the wait.
        """
        reply: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        message = (channel, reply_channel, order, payload, disconnect_payload)
        self.start_publish(*message, partial(settle, reply))
        return await reply

    @abstractmethod
    async def withdraw(self, reply_channel: str) -> bool:
        """Delete a request that no worker has taken; return whether nothing is left of it.

        False means that a worker has it, or had it: it is finished, or waits to run again. This
        waits and raises as :meth:`close` does.
        """

    @abstractmethod
    def tell(self, reply_channel: str, payload: bytes) -> None:
        """Send *payload* to the consumer that listens to a request, soon, in order.

        It is lost if the request has ended, if nobody listens for a minute, and if the layer loses
        its data or the server leaves the layer. A consumer asks again for what it misses.
        """

    @abstractmethod
    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection: its disconnect follows its last message.

        *code* is the close code of the message. This waits while the layer is away, and raises
        :class:`LayerUnavailable` if the server of this process leaves the layer meanwhile.
        """

    @abstractmethod
    async def retire_server(self) -> None:
        """Leave all groups, and delete inbox and registration of the server of this process.

        Without a server it does nothing.
        """

    def inbox_waits(self) -> float:
        """Return for how long the inbox of this process was not read to its end (s).

        A healthy server stays below 3 s, unless it receives more than it can process.
        """
        return 0.0

    def inbox_lag(self) -> float | None:
        """Return how old the entry is that this process has reached in its inbox (s).

        0 when it has read all, or waits for more. None while the clock is not known.
        """
        return 0.0

    def inbox_entry(self) -> str:
        """Return the id of the entry that this process carries out, or carried out last."""
        server = self._server
        return "" if server is None else server.entry

    def inbox_operations(self) -> dict[str, int]:
        """Return how many operations of each kind came to the server of this process."""
        server = self._server
        return {} if server is None else server.operations()

    @abstractmethod
    async def workers(self) -> dict[str, int]:
        """Return the heartbeat counters, by process id, of the workers that take sockets.

        Raises :class:`LayerUnavailable` at once if the layer does not answer.
        """

    # The worker side

    def lanes(self) -> Sequence[WorkerLayer]:
        """Return the layers that a worker process pulls from: its shards, or this one."""
        return (self,)

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless the server behind the layer is usable."""

    def register(self, process: str, about: ProcessInfo) -> None:
        """Register *process*; raise :class:`LayerUnavailable` if the layer is not usable.

        A worker may still hold messages under its previous ids, so it publishes them, too.
        """
        self._register(process, self._completed(about))

    def _completed(self, about: ProcessInfo) -> ProcessInfo:
        return about._replace(previous_ids=tuple(self._previous_ids), shards=self.shard_names)

    @abstractmethod
    def _register(self, process: str, about: ProcessInfo) -> None:
        """Register *process*."""

    def describe(self, process: str, about: ProcessInfo) -> None:
        """Publish anew what *process* says about itself, if it is registered."""
        self._describe(process, self._completed(about))

    @abstractmethod
    def _describe(self, process: str, about: ProcessInfo) -> None:
        """Publish what *process* says about itself, if it is registered."""

    def heartbeat(self, process: str) -> Liveness:
        """Raise the heartbeat counter of *process*.

        The result is ``EVICTED`` if another process declared it dead, and ``LOST`` if the layer
        lost its data. The process then registers again, a worker under a new id.
        """
        liveness = self._heartbeat(process)
        if liveness is not Liveness.ALIVE and process not in self._previous_ids:
            self._previous_ids.append(process)
        return liveness

    @abstractmethod
    def _heartbeat(self, process: str) -> Liveness:
        """Raise the heartbeat counter of *process*."""

    @abstractmethod
    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*, unless one of its *consumers* still holds a delivery.

        It then stays registered until it is declared dead, and its deliveries go to other workers.
        """

    @abstractmethod
    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages; return up to *count* of each channel.

        *consumer* then holds them until it commits, requeues or dead-letters them. The list is
        empty when the time is over.
        """

    @abstractmethod
    def pending_deliveries(
        self, channels: Sequence[str], consumers: Sequence[str]
    ) -> list[Delivery]:
        """Return the deliveries of *channels* that *consumers* have not finished."""

    @abstractmethod
    def commit(self, finished: Finished) -> Committed:
        """Finish a delivery in one step, if its consumer still holds it.

        The step acknowledges it, saves the session, carries out the operations and releases the
        connection, or deletes it if it ends. Otherwise the result is ``STALE``, and nothing was
        done. It is ``GONE`` if the connection has ended: the delivery is acknowledged, and nothing
        else was done. After :class:`ChannelFull`, for a channel at its capacity, nothing was done.
        """

    def commit_and_pull(
        self,
        finished: Sequence[Finished],
        channels: Sequence[str],
        timeout: float,
        count: int,
    ) -> tuple[list[Committed | Exception], list[Delivery]]:
        """Do :meth:`commit` for each of *finished*, then :meth:`pull` for their consumer.

        Return the result or error of each commit, and the new deliveries. Raises
        :class:`LayerUnavailable` if it is unknown which commits were done.
        """
        done = self.commit_all(finished)
        if hooks.active is not None:
            hooks.active.replied()
        return done, self.pull(channels, finished[0].delivery.consumer, timeout, count)

    def commit_all(self, finished: Sequence[Finished]) -> list[Committed | Exception]:
        """Do :meth:`commit` for each of *finished*; return the result or error of each.

        Raises :class:`LayerUnavailable` if it is unknown which commits were done.
        """
        return [self._try_commit(each) for each in finished]

    def _try_commit(self, finished: Finished) -> Committed | Exception:
        try:
            return self.commit(finished)
        except Exception as error:  # noqa: BLE001  (the caller handles it)
            return error

    @abstractmethod
    def change_groups(self, delivery: Delivery, changes: Sequence[Join | Leave]) -> Committed:
        """Join and leave groups now, in order, if the consumer of *delivery* still holds it.

        Sends after this reach the new members. Otherwise the result is ``STALE``, and nothing was
        done. May be repeated after :class:`LayerUnavailable`.
        """

    @abstractmethod
    def listen(self, reply_channel: str, timeout: float) -> bytes | None:
        """Wait up to *timeout* seconds for what the server tells; return the next payload.

        Return None when the time is over. A payload goes to one caller. One may be lost, too, with
        the reply of the layer.
        """

    @abstractmethod
    def quarantine(self, delivery: Delivery) -> Committed:
        """Note that *delivery*, whose worker has died before, begins to run.

        Its process runs no other such message meanwhile. If it dies before it notes another one,
        this death counts for *delivery*. ``STALE`` means that its consumer no longer holds it.
        """

    @abstractmethod
    def requeue(self, delivery: Delivery, *, counted: bool, failed: bool = False) -> Committed:
        """Hand *delivery* back under the same message id, so that any worker gets it again.

        *counted* raises its attempts or, if it *failed*, its failures. ``STALE`` means that its
        consumer no longer holds it.
        """

    @abstractmethod
    def dead_letter(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter; its connection goes on without it.

        *reason* is a line for people. An unanswered handshake is refused, and a request gets the
        answer 502. ``STALE`` means that the consumer no longer holds the delivery.
        """

    def announce_delayed(self, operations: Iterable[Operation]) -> None:
        """Tell the listeners which messages this process has delayed with *operations*."""
        for operation in operations:
            if isinstance(operation, SendLater):
                for listener in tuple(self.delay_listeners):
                    listener(operation.delay)

    def note_unheard(self) -> None:
        """Log once if nothing can ever hear what this process sends."""

    @cached_property
    def refusals(self) -> Refusals:
        """The payloads that refuse connections."""
        return Refusals(self.codec.encode(REFUSAL), self.codec.encode(REQUEST_REFUSAL))

    # Everywhere

    @abstractmethod
    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* whose connection has not ended.

        A socket's ends when its disconnect is finished, or a dead letter. A request's ends when its
        client has gone, or its response is complete. This costs one look-up for each, with up
        to 1,000 of a server in one request. Raises :class:`LayerUnavailable` while it is unknown,
        such as after a loss of data.
        """

    @abstractmethod
    def load_session(self, reply_channel: str) -> bytes | None:
        """Return the payload of a connection's saved channel session, None if there is none."""

    @abstractmethod
    def save_session(self, session: Session) -> None:
        """Save a channel session now, if its connection has not ended."""

    def give_session(self, channel: str) -> None:
        """Let *channel*, a name that a test made up, have a channel session.

        Without effect for the reply channel of a server. Raises
        :class:`~django.core.exceptions.ImproperlyConfigured` for another name, unless the layer is
        in memory.
        """
        if not is_from_server(channel):
            raise ImproperlyConfigured(
                f"{channel!r} is the reply channel of no connection, so {self} keeps no channel "
                "session for it. If a test calls the consumer, derive the test from "
                "ChannelTestCase, or give the settings of the tests the BACKEND "
                "channels_workers.layers.memory.InMemoryChannelLayer."
            )

    @abstractmethod
    def length(self, channel: str) -> int:
        """Return how many messages of an ordinary channel wait or are pending."""

    def members(self, group: str) -> set[str]:
        """Return the server ids and the ordinary channels in a group."""
        return {member.lstrip("*") for member in self._members(group)}

    @abstractmethod
    def _members(self, group: str) -> set[str]:
        """Return the members of a group; ordinary channels have ``*`` before their name."""

    def group_channels(self, group: str) -> set[str]:
        """Return the channels in *group*, from any thread; use it in tests and for operators.

        These are ordinary channels, and the sockets of this process. The layer does not know the
        sockets of another process: if the group has any there, the set has its server as
        ``<server id>!``. A join shows when the process has read it, usually after milliseconds.
        Raises TypeError for an invalid name.
        """
        self.require_valid_group_name(group)
        members = self._members(group)
        ordinary = {member[1:] for member in members if member.startswith("*")}
        servers = {member for member in members if not member.startswith("*")}
        own = self._server
        if own is None or own.id not in servers:
            return ordinary | {f"{server}!" for server in servers}
        others = {f"{server}!" for server in servers - {own.id}}
        return ordinary | others | set(own.groups.get(group, ()))

    # Statistics, as in 1.x

    @abstractmethod
    def global_statistics(self) -> Statistics:
        """Return the statistics of all ordinary channels, from any thread.

        The keys are those of :meth:`channel_statistics`. In Redis this scans the keys, and counts
        the channels that exist now.
        """

    @abstractmethod
    def channel_statistics(self, channel: str) -> Statistics:
        """Return the statistics of an ordinary channel, from any thread.

        * ``messages_count``: the messages that came since the channel exists. One that is put back
          counts again. Not with Redis 6.2, and not without the right to ``XINFO STREAM``.
        * ``messages_pending``: those that wait for a worker.
        * ``messages_max_age``: for how long the oldest one waits or is in flight (s), 0 without
          one. Not in memory.
        * ``channel_full_count``: how often the channel was full. Only in memory.

        A channel without workers exists until it is empty. There are no counts per second. Raises
        TypeError for an invalid name.
        """
