"""The memory layer: nothing polls; threads wait on a condition, event loops are called."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ImproperlyConfigured

from channels_workers import recorder
from channels_workers.django_parts import is_in_tests
from channels_workers.exceptions import LayerUnfit
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.clock import OwnClock
from channels_workers.layers.codec import Content
from channels_workers.layers.history import Joined
from channels_workers.layers.kept import Claim
from channels_workers.layers.memory.admin import MemoryAdmin
from channels_workers.layers.memory.kept import MemoryKept
from channels_workers.layers.memory.plan import Plan, dead_letter
from channels_workers.layers.memory.recovery import restore
from channels_workers.layers.memory.relays import MemoryRelays
from channels_workers.layers.memory.sharded import ShardedMemoryLayer
from channels_workers.layers.memory.store import (
    DISCONNECTING,
    IDLE,
    Record,
    Store,
    Stream,
    process_of,
)
from channels_workers.layers.memory.stores import Gate, Stores
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.shards.names import named
from channels_workers.layers.types import (
    CONNECT,
    KEPT_MARK,
    RESUME,
    Closed,
    Committed,
    Delivery,
    Finished,
    GroupSend,
    Join,
    Leave,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Resume,
    Send,
    Session,
    Statistics,
    is_from_server,
    new_id,
)
from channels_workers.logs import fields
from channels_workers.tracing import hooks

if TYPE_CHECKING:
    from channels_workers.metrics.layer import LayerInstruments

logger = logging.getLogger(__name__)

#: More shards than this are of no use in one process.
MOST_SHARDS = 16

UNHEARD = (
    "This process sends, and nobody gets it: the channel layer is in the memory of each process, "
    "and no server or worker runs in this one. Set CHANNEL_LAYERS to "
    "channels_workers.layers.redis.RedisChannelLayer in all processes. This is logged once"
)


def _is_for_sockets(operation: Operation) -> bool:
    """Say whether *operation* sends to sockets. Ordinary channels may be read later."""
    is_to_one = isinstance(operation, Send) and "!" in operation.channel
    return is_to_one or isinstance(operation, GroupSend)


class InMemoryChannelLayer(WorkerLayer):
    """A channel layer inside one process; it encodes every message, as the Redis layer does.

    Layers with the same *store* are to each other as processes with the same Redis. With more than
    one of *shards*, or with *stores*, the result is a layer of several shards: tests then find out
    what an application does if it has more than one Redis.
    """

    local_only: ClassVar[bool] = True

    def __new__(
        cls,
        store: Store | None = None,
        shards: int = 1,
        **config: Any,
    ) -> Any:
        """Return a layer, perhaps one with several shards."""
        stores: Stores | None = config.pop("stores", None)
        if stores is None and shards == 1:
            return super().__new__(cls)
        return ShardedMemoryLayer(stores or Stores(_checked(shards)), cls, **config)

    def __init__(self, store: Store | None = None, shards: int = 1, **config: Any) -> None:
        super().__init__(**config)
        self.store = store or Store()
        if self.store.shard is not None:
            self.shard, self.shard_names = self.store.shard.name, tuple(self.store.shard.names)
        self.clock = OwnClock()
        self.admin = MemoryAdmin(self.store, self.refusals)
        self.relays = MemoryRelays(self.store, self.get_capacity, self.histories)
        self.kept = MemoryKept(self.store, self.start_server, self.detach)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_unheard_logged = False
        self._epoch = ""  # of the shard, when the server registered there
        self._late: list[Departure] = []  # while the shard did not answer
        self._instruments: LayerInstruments | None = None
        self.is_cut_off = False  # in a forked child: the receivers are in its parent

    def begin_in_child(self) -> None:
        """Begin with an empty store: a copy of the parent's store reaches no receiver."""
        super().begin_in_child()
        self.is_cut_off = self.is_cut_off or bool(self.store.counters)
        self._loop, self.store = None, Store()
        self.admin = MemoryAdmin(self.store, self.refusals)
        self.relays = MemoryRelays(self.store, self.get_capacity, self.histories)
        self.kept = MemoryKept(self.store, self.start_server, self.detach)

    def __str__(self) -> str:
        return "InMemoryChannelLayer"

    # The methods of Channels 4

    async def flush(self) -> None:
        """Delete everything in the store, except data of living processes and their sockets."""
        self.store.clear(self._server.id if self._server else "")

    async def _receive_ordinary(self, channel: str) -> Content:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        listener = _caller(loop, arrived.set)
        self.store.stream_listeners.add(listener)
        try:
            while True:
                arrived.clear()
                if delivery := self.store.take(channel):
                    content = self.codec.decode(delivery.payload)
                    content.pop(hooks.CARRIER, None)
                    return content
                await arrived.wait()
        finally:
            self.store.stream_listeners.discard(listener)

    # The interface side

    def _register_server(self, server: Server) -> None:
        self._register(server.id, ProcessInfo.this("server"))
        if self.store.shard is not None:
            self._epoch = self.store.shard.log.epoch
            server.heard.read_all(self.store.shard.marks)

    async def _until_registered(self) -> None:
        pass  # it is registered from the start

    def _make_home(self, server: Server) -> None:
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()
            self.store.inbox_listeners[server.id] = _caller(
                self._loop, self.drain, server.wake_mailboxes
            )
            self._loop.call_soon(self.detach_ended)
            self.drain()

    def _home(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def drain(self) -> int:
        """Process the inbox; return the number of entries."""
        server = self._server
        if server is None or (self.store.shard is not None and not self._is_open(server)):
            return 0
        # What these marks name is in the inbox now, or was read before.
        marks = None if self.store.shard is None else dict(self.store.shard.marks)
        entries = self.store.read_inbox(server.id)
        for entry in entries:
            self._depart(server, server.process(entry))
        if marks is not None:
            server.heard.read_all(marks)
        if server.was_flushed:
            server.was_flushed = False
            for reply, snapshot in server.snapshots():
                self.store.republish(reply, snapshot)
            for reply in server.unrestored():
                self.store.republish(reply, None)
        for server_id, reply, payload in server.kept.take_hand_overs():
            self.store.hand_over(server_id, reply, payload)
        server.unreadable.clear()
        server.ended.clear()
        return len(entries)

    def _is_open(self, server: Server) -> bool:
        """Say whether the shard answers; register again with one that has lost its data."""
        gate, shard = self.store.changed, self.store.shard
        if not isinstance(gate, Gate) or shard is None or gate.is_away:
            return False
        if self._epoch != shard.log.epoch:
            self._epoch = shard.log.epoch
            about, is_late = ProcessInfo.this("server"), not gate.is_recovering
            with gate.recovery():
                restore(self.store, shard, server, about, is_late=is_late)
        late, self._late = self._late, []
        self._depart(server, late)
        return not gate.is_recovering

    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        if isinstance(self.store.changed, Gate) and self.store.changed.is_closed:
            self._late += departures
            return
        for departure in departures:
            self.store.leave(server.id, departure)

    def start_publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        done: Callable[[Published | Exception], object],
    ) -> None:
        """Publish a message of a connection, exactly once, before this returns."""
        claim = self._claim(reply_channel)
        if claim is not None and channel == RESUME and self._server is not None:
            self._server.kept.note_resume(reply_channel)
        message = (channel, reply_channel, order, payload, disconnect_payload, claim)
        try:
            published: Published | Exception = self.store.publish(*message)
        except Exception as error:  # noqa: BLE001  (the caller handles it)
            published = error
        done(published)

    def _claim(self, reply_channel: str) -> Claim | None:
        """Return by what the server of this process has the connection, if it is a kept one."""
        if KEPT_MARK not in reply_channel or self._server is None:
            return None
        return self._server.kept.claim(reply_channel)

    async def withdraw(self, reply_channel: str) -> bool:
        """Delete a request that no worker has taken."""
        return self.store.withdraw(reply_channel)

    def tell(self, reply_channel: str, payload: bytes) -> None:
        """Send *payload* to the consumer that listens to a request."""
        self.store.tell(reply_channel, payload)

    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection."""
        return self.store.close(reply_channel, code, self._claim(reply_channel))

    def inbox_lag(self) -> float | None:
        """Return how old the oldest entry of the inbox is (s); 0 if there is none."""
        server = self._server
        entries = self.store.inboxes.get(server.id) if server is not None else None
        for entry in entries or ():
            return self.clock.age(entry.id)
        return 0.0

    async def retire_server(self) -> None:
        """Leave all groups and delete the registration."""
        if self._server is not None:
            self.store.inbox_listeners.pop(self._server.id, None)
            self.retire(self._server.id, (), ())
            self._server = self._loop = None

    async def workers(self) -> dict[str, int]:
        """Return the heartbeat counters of the registered workers that take sockets."""
        with self.store.changed:
            workers = self.store.of_kind("worker")
            counters = self.store.counters
            return {name: counters[name] for name, it in workers if CONNECT in it.channels}

    # The worker side

    def _describe(self, process: str, about: ProcessInfo) -> None:
        with self.store.changed:
            if process in self.store.counters:
                self.store.process_info[process] = about

    def _register(self, process: str, about: ProcessInfo) -> None:
        found = recorder.instruments()
        self._instruments = found.layer if found else None
        with self.store.changed:
            self.is_cut_off = False
            self.store.counters[process] = 1
            self.store.process_info[process] = about

    def _heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*, and of the server in the same process."""
        with self.store.changed:
            if self._server is not None and self._server.id in self.store.counters:
                self.store.counters[self._server.id] += 1
            if process not in self.store.counters:
                return Liveness.EVICTED if process in self.store.dead else Liveness.LOST
            self.store.counters[process] += 1
            return Liveness.ALIVE

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*, unless one of *consumers* still holds a delivery."""
        with self.store.changed:
            if not self.pending_deliveries(channels, consumers):
                self.store.forget_process(process)

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages."""
        deadline = time.monotonic() + timeout
        with self.store.changed:
            while not (found := self.store.hand_out(channels, consumer, count)):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.store.changed.wait(left)
            return found if self.shard is None else named(self.shard, found)

    def pending_deliveries(
        self, channels: Sequence[str], consumers: Sequence[str]
    ) -> list[Delivery]:
        """Return the deliveries that *consumers* have not finished."""
        with self.store.changed:
            streams = [self.store.stream(channel) for channel in channels]
            pending = [held for stream in streams for held in stream.pending.values()]
            found = [held for held in pending if held.consumer in consumers]
            return found if self.shard is None else named(self.shard, found)

    def commit(self, finished: Finished) -> Committed:
        """Finish a delivery in one step; see ``commit.lua``."""
        delivery, operations, session, ends, _ = finished
        store, reply = self.store, delivery.reply_channel
        began = time.monotonic() if self._instruments is not None else 0.0
        with store.changed:
            if not store.is_owner(delivery):
                return Committed.STALE
            record = store.waiting_for(delivery)
            if reply and record is None:
                store.acknowledge(delivery)
                return Committed.GONE
            plan = Plan(store, self.get_capacity, self.histories)
            plan.add_all(operations, delivery.id)
            store.acknowledge(delivery)
            if session is not None and not (record and record.state == DISCONNECTING):
                (store if store.shard is None else plan).save_session(session)
            if reply and record is not None:
                plan.finish_order(reply, record, ends=ends)
            plan.write()
        if self._instruments is not None:
            self._instruments.committed(1, time.monotonic() - began)
        return Committed.DONE

    def change_groups(self, delivery: Delivery, changes: Sequence[Join | Leave]) -> Committed:
        """Join and leave groups now; see ``change_groups.lua``."""
        with self.store.changed:
            if not self.store.is_owner(delivery):
                return Committed.STALE
            self._carry_out(changes, delivery.id)
            return Committed.DONE

    def resume(
        self, wanted: Resume, delivery: Delivery | None = None, quick: bool = False
    ) -> Joined | None:
        """Join a group with history now; see ``resume.lua``."""
        with self.store.changed:
            if delivery is not None and not self.store.is_owner(delivery):
                return None
            plan = Plan(self.store, self.get_capacity, self.histories)
            joined = plan.resume(wanted)
            plan.write()
            return joined

    def listen(self, reply_channel: str, timeout: float) -> bytes | None:
        """Wait up to *timeout* seconds for what the server tells."""
        return self.store.listen(reply_channel, timeout)

    def quarantine(self, delivery: Delivery) -> Committed:
        """Note that *delivery* begins to run, while its process runs no other such message."""
        with self.store.changed:
            if not self.store.is_owner(delivery):
                return Committed.STALE
            running = delivery.channel, delivery.token
            self.store.quarantined[process_of(delivery.consumer)] = running
            return Committed.DONE

    def requeue(self, delivery: Delivery, *, counted: bool, failed: bool = False) -> Committed:
        """Hand *delivery* back."""
        with self.store.changed:
            if not self.store.is_owner(delivery):
                return Committed.STALE
            held = self.store.stream(delivery.channel).pending[delivery.token]
            attempts = delivery.attempts + (counted and not failed)
            failures = delivery.failures + (counted and failed)
            self.store.put_back(held._replace(attempts=attempts, failures=failures))
            return Committed.DONE

    def dead_letter(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter."""
        with self.store.changed:
            if not self.store.is_owner(delivery):
                return Committed.STALE
            dead_letter(self.store, delivery, reason, self.refusals)
            return Committed.DONE

    # Everywhere

    def apply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Carry out *operations* now."""
        if self.is_cut_off:
            raise LayerUnfit(
                "This process was forked from one that keeps its channel layer in memory, so no "
                "receiver gets its messages. Send from the parent, or use "
                "channels_workers.layers.redis.RedisChannelLayer."
            )
        with self.store.changed:
            if any(map(_is_for_sockets, operations)):
                self.note_unheard()
            self._carry_out(operations, new_id())

    def note_unheard(self) -> None:
        """Log once that nothing in this process hears what it sends; not in tests."""
        has_ears = any(store.counters or store.stream_listeners for store in self.store.peers)
        if not (has_ears or is_in_tests()) and not self._is_unheard_logged:
            self._is_unheard_logged = True
            logger.warning(UNHEARD, extra=fields("not_heard"))

    def _carry_out(self, operations: Sequence[Operation], parent: str) -> None:
        plan = Plan(self.store, self.get_capacity, self.histories)
        plan.add_all(operations, parent)
        plan.write()

    async def aapply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Carry out *operations* now."""
        self.apply(operations)

    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* whose connection has not ended."""
        with self.store.changed:
            return set(filter(self.store.is_connected, reply_channels))

    def load_session(self, reply_channel: str) -> bytes | None:
        """Return the saved channel session."""
        with self.store.changed:
            return self.store.sessions.get(reply_channel)

    def save_session(self, session: Session) -> None:
        """Save a channel session now, if the connection has not ended."""
        self.store.save_session(session)

    def give_session(self, channel: str) -> None:
        """Let *channel*, a name that a test made up, have a channel session."""
        if not is_from_server(channel):
            with self.store.changed:
                self.store.records.setdefault(channel, Record(0, IDLE, b""))

    def length(self, channel: str) -> int:
        """Return how many messages wait or are pending."""
        with self.store.changed:
            return len(self.store.stream(channel))

    def group_channels(self, group: str) -> set[str]:
        """Return the channels in *group*."""
        if self._loop is None or self._loop.is_closed():
            self.drain()  # nobody else does, as in tests
        return super().group_channels(group)

    def _members(self, group: str) -> set[str]:
        with self.store.changed:
            return set(self.store.groups.get(group, ()))

    # Statistics

    def global_statistics(self) -> Statistics:
        """Return the statistics of all ordinary channels."""
        with self.store.changed:
            return _statistics(self.store.streams.values())

    def channel_statistics(self, channel: str) -> Statistics:
        """Return the statistics of an ordinary channel."""
        self.require_valid_channel_name(channel)
        with self.store.changed:
            return _statistics([self.store.stream(channel)])


def _checked(shards: object) -> int:
    """Return a number of shards, or raise ImproperlyConfigured."""
    if isinstance(shards, int) and not isinstance(shards, bool) and 1 <= shards <= MOST_SHARDS:
        return shards
    raise ImproperlyConfigured(
        f"`shards` in the CONFIG of CHANNEL_LAYERS must be a number from 1 to {MOST_SHARDS}, not "
        f"{shards!r}."
    )


def _statistics(streams: Collection[Stream]) -> Statistics:
    return {
        "messages_count": sum(stream.added for stream in streams),
        "messages_pending": sum(len(stream.waiting) for stream in streams),
        "channel_full_count": sum(stream.refused for stream in streams),
    }


def _caller(
    loop: asyncio.AbstractEventLoop,
    callback: Callable[[], object],
    without_loop: Callable[[], object] = lambda: None,
) -> Callable[[], None]:
    """Return a function that calls *callback* in *loop*, from any thread.

    Once the loop is closed, it calls *without_loop* in the thread of the caller.
    """

    def call() -> None:
        try:
            loop.call_soon_threadsafe(callback)
        except RuntimeError:  # it is closed
            without_loop()

    return call
