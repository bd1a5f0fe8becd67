"""The data of a memory layer: plain dicts under one lock, and the steps that change them."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from channels_workers.exceptions import ServerEvicted
from channels_workers.layers.kept import Claim
from channels_workers.layers.memory.histories import MemoryHistories
from channels_workers.layers.memory.shard_data import ShardData
from channels_workers.layers.server import Departure
from channels_workers.layers.types import (
    KEPT_MARK,
    RESUME,
    Closed,
    ConnectionSnapshot,
    DeadLetter,
    Delivery,
    InboxEntry,
    InboxKind,
    InboxOperation,
    ProcessInfo,
    Published,
    Session,
    first_channel,
    is_request,
    last_channel,
    server_of,
)

#: The states of a connection record.
IDLE, BUSY, CLOSING, DISCONNECTING = "idle", "busy", "closing", "disconnecting"


@dataclass
class Record:
    """The record of one connection; see ``lib/keys.lua``."""

    order: int
    state: str
    disconnect_payload: bytes
    token: str = ""
    code: int | None = None


@dataclass
class Later:
    """A message for *channel* that waits until *due*, in seconds of the clock of the store.

    *capacity* is that of the channel.
    """

    channel: str
    payload: bytes
    due: float
    capacity: int


@dataclass
class Stream:
    """The messages of one ordinary channel by token: waiting ones, and pending deliveries."""

    waiting: OrderedDict[str, Delivery] = field(default_factory=OrderedDict)
    pending: dict[str, Delivery] = field(default_factory=dict)
    #: How many messages came, and how many the capacity refused.
    added: int = 0
    refused: int = 0

    def __len__(self) -> int:
        return len(self.waiting) + len(self.pending)


@dataclass
class KeptData:
    """What differs from a connection that was never lost; see ``lib/kept.lua``.

    *server* is "" if it is the one in the name. The disconnect of a *parked* connection, with this
    code, is *due* then, in seconds of the clock of the store, unless it is published already.
    """

    server: str = ""
    adoption: str = ""
    resumes: int = 0
    parked: int | None = None
    due: float | None = None
    groups: set[str] = field(default_factory=set)


class Store:
    """All data of a memory layer; several layers may share it.

    ``changed`` is the lock of all data, and wakes the workers that pull. It is re-entrant: a public
    method takes it, and a caller that holds it may combine several methods into one atomic step.

    *clock* returns the time by which delayed messages are due (s since 1970).
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        changed: threading.Condition | None = None,
        shard: ShardData | None = None,
    ) -> None:
        self.clock = clock
        self.changed = changed or threading.Condition(threading.RLock())
        #: What it has beside this if it is one of several shards.
        self.shard = shard
        #: Called when the log of the shard got an entry, at the end of the step.
        self.logged: Callable[[], None] = lambda: None
        #: All stores of the layer.
        self.peers: Sequence[Store] = (self,)
        #: Called, by server id, when an inbox got an entry; they must not block.
        self.inbox_listeners: dict[str, Callable[[], None]] = {}
        #: Called when any channel got a message; they must not block.
        self.stream_listeners: set[Callable[[], None]] = set()
        #: Tokens, each larger than all before: the time (monotonic ns), and a number.
        times = iter(time.monotonic_ns, None)
        self.tokens = map("{:020d}-{:020d}".format, times, count(1))
        self.begin()

    def begin(self) -> None:
        """Begin without data."""
        #: Heartbeat counters of the registered processes.
        self.counters: dict[str, int] = {}
        self.process_info: dict[str, ProcessInfo] = {}
        #: The channel and token that each process has begun in quarantine; see ``quarantine.lua``.
        self.quarantined: dict[str, tuple[str, str]] = {}
        self.dead: set[str] = set()
        self.awaiting_cleanup: set[str] = set()
        self.inboxes: dict[str, list[InboxEntry]] = defaultdict(list)
        self.records: dict[str, Record] = {}
        self.sessions: dict[str, bytes] = {}
        self.kept: dict[str, KeptData] = {}
        #: What the servers of requests have told their consumers.
        self.told: dict[str, deque[bytes]] = {}
        #: The members of groups: a server has the id of the inbox entry of its last join, an
        #: ordinary channel, with ``*`` before its name, an empty string.
        self.groups: dict[str, dict[str, str]] = defaultdict(dict)
        self.streams: dict[str, Stream] = {}
        #: The channels that workers listen to.
        self.listened: set[str] = set()
        self.dead_letters: list[DeadLetter] = []
        #: Delayed messages by id.
        self.delayed: dict[str, Later] = {}
        #: The claim of each database: fencing token, holder, since when and for how long.
        self.claims: dict[str, tuple[str, str, float, float]] = {}
        #: The keys of the stored sends of each database that were carried out.
        self.relayed: dict[str, set[str]] = {}
        #: The aliases of databases whose relay is not to wait.
        self.nudged: set[str] = set()
        #: The newest messages of groups.
        self.histories = MemoryHistories()

    def clear(self, own: str = "") -> None:
        """Delete everything except data of living processes; the server *own* leaves its groups."""
        with self.changed:
            self.streams, self.listened, self.dead_letters = {}, set(), []
            self.delayed = {}
            self.histories.clear()
            if self.shard is not None:
                self.shard.log.flush()
            for group, members in list(self.groups.items()):
                for member in set(members) - (self.counters.keys() - {own}):
                    self.leave_group(group, member)
            for server, _ in self.of_kind("server"):
                self.add_to_inbox(server, [InboxOperation(InboxKind.FLUSHED, own, b"")])
                self.inbox_listeners.get(server, lambda: None)()

    # Processes

    def of_kind(self, kind: str) -> list[tuple[str, ProcessInfo]]:
        """Return the registered processes of a kind by id, with their info."""
        known = sorted((name, self.process_info[name]) for name in self.counters)
        return [(name, info) for name, info in known if info.kind == kind]

    def is_unknown(self, process: str) -> bool:
        """Say whether *process* is not registered, awaits no cleanup, and is no previous id."""
        previous = {name for info in self.process_info.values() for name in info.previous_ids}
        return process not in self.counters.keys() | self.awaiting_cleanup | previous

    def ids_of(self, process: str) -> set[str]:
        """Return the id of *process* and its previous ones."""
        info = self.process_info.get(process)
        return {process, *info.previous_ids} if info else {process}

    def forget_process(self, process: str) -> None:
        """Delete all data of *process* except its messages and connections."""
        for group in list(self.groups):
            self.leave_group(group, process)
        for name in self.ids_of(process):
            self.quarantined.pop(name, None)
        for known in (self.inboxes, self.counters, self.process_info):
            known.pop(process, None)

    # Inboxes and groups

    def add_to_inbox(self, server: str, operations: list[InboxOperation]) -> str:
        """Add an entry to an inbox; return its id."""
        entry = InboxEntry(next(self.tokens), operations)
        self.inboxes[server].append(entry)
        return entry.id

    def hand_over(self, server: str, reply: str, payload: bytes) -> None:
        """Give the new server of a connection what the former one had; see ``hand_over.lua``."""
        with self.changed:
            if server in self.counters:
                self.add_to_inbox(server, [InboxOperation(InboxKind.HAND_OVER, reply, payload)])
                self.inbox_listeners.get(server, lambda: None)()

    def inbox_size(self, server: str) -> int:
        """Return how many bytes of values an inbox has."""
        entries = self.inboxes.get(server, ())
        return sum(len(each.value) for entry in entries for each in entry.operations)

    def read_inbox(self, server: str) -> list[InboxEntry]:
        """Remove and return all entries of an inbox."""
        with self.changed:
            return self.inboxes.pop(server, [])

    def leave(self, server: str, departure: Departure) -> None:
        """Remove *server* from a group, unless it joined again; see ``leave.lua``."""
        with self.changed:
            if self.groups.get(departure.group, {}).get(server) == departure.entry:
                self.leave_group(departure.group, server)

    def leave_group(self, group: str, member: str) -> None:
        """Remove a member; a group without members is deleted."""
        if group in self.groups:
            self.groups[group].pop(member, None)
            if not self.groups[group]:
                del self.groups[group]

    # Streams

    def stream(self, channel: str) -> Stream:
        """Return the stream of *channel*, to read; it is empty if there is none."""
        return self.streams.get(channel, Stream())

    def add_message(self, message: Delivery) -> str:
        """Add *message* to its channel; return its token."""
        token = next(self.tokens)
        stream = self.streams.setdefault(message.channel, Stream())
        stream.waiting[token] = message._replace(token=token)
        stream.added += 1
        self.changed.notify_all()
        for listener in tuple(self.stream_listeners):
            listener()
        return token

    def take(self, channel: str) -> Delivery | None:
        """Remove and return the next message of *channel*; see ``take.lua``."""
        with self.changed:
            stream = self.stream(channel)
            found = stream.waiting.popitem(last=False)[1] if stream.waiting else None
            self.forget_empty(channel)
            return found

    def forget_empty(self, channel: str) -> None:
        """Delete an empty stream, unless workers listen to it: channel names are arbitrary."""
        if channel not in self.listened and not self.stream(channel):
            self.streams.pop(channel, None)

    def hand_out(self, channels: Sequence[str], consumer: str, most: int) -> list[Delivery]:
        """Give up to *most* waiting messages of each channel to *consumer*, and return them."""
        found = []
        for channel in channels:
            if channel not in self.listened:
                self.listened.add(channel)
                self.streams.setdefault(channel, Stream())
            stream = self.streams[channel]
            for _ in range(min(most, len(stream.waiting))):
                token, message = stream.waiting.popitem(last=False)
                stream.pending[token] = message._replace(consumer=consumer)
                found.append(stream.pending[token])
        return found

    def is_owner(self, delivery: Delivery) -> bool:
        """Say whether the consumer of *delivery* still holds it."""
        stream = self.streams.get(delivery.channel)
        held = None if stream is None else stream.pending.get(delivery.token)
        return held is not None and held.consumer == delivery.consumer

    def acknowledge(self, delivery: Delivery) -> Delivery:
        """Remove a pending delivery, and return it as it is stored; KeyError if there is none."""
        held = self.streams[delivery.channel].pending.pop(delivery.token)
        if delivery.channel not in self.listened:
            self.forget_empty(delivery.channel)
        return held

    def put_back(self, held: Delivery) -> None:
        """Move a pending delivery to the end of its stream; see ``lib/put_back.lua``."""
        record = self.records.get(held.reply_channel or "")
        is_current = record is not None and record.token == held.token
        self.acknowledge(held)
        token = self.add_message(held._replace(consumer=""))
        if record is not None and is_current:
            record.token = token

    def pending(self) -> Iterator[Delivery]:
        """Yield all pending deliveries."""
        return (held for stream in self.streams.values() for held in stream.pending.values())

    def held_by(self, process: str) -> list[Delivery]:
        """Return the pending deliveries of *process*."""
        return [held for held in self.pending() if process_of(held.consumer) == process]

    # Connections

    def server_of(self, channel: str) -> str | None:
        """Return the server of a reply channel, None for an ordinary channel."""
        if KEPT_MARK in channel and (kept := self.kept.get(channel)) is not None and kept.server:
            return kept.server
        return server_of(channel)

    def has_moved(self, reply: str, claim: Claim | None) -> bool:
        """Say whether a kept connection is not that of *claim* any more."""
        kept = self.kept.get(reply, KeptData())
        return claim is not None and reply in self.records and kept.adoption != claim.adoption

    def publish(
        self,
        channel: str,
        reply: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        claim: Claim | None = None,
    ) -> Published:
        """Publish a message of a connection, exactly once; see ``publish.lua``.

        A kept connection has the *claim* of its server.

        Raises ServerEvicted if the server is not registered, RuntimeError for an order that cannot
        follow.
        """
        with self.changed:
            if self.has_moved(reply, claim):
                return Published.MOVED
            record = self.records.get(reply)
            if record is None:
                self._require_server(claim.server if claim else server_of(reply))
                if order != 0:
                    return Published.GONE
                record = Record(-1, IDLE, disconnect_payload)
            if order <= record.order and record.state != DISCONNECTING:
                return Published.REPEATED
            if record.state in (CLOSING, DISCONNECTING):
                return Published.GONE
            if record.state != IDLE or order != record.order + 1:
                raise RuntimeError(f"order {order} cannot follow {record.order} ({record.state})")
            record.order, record.state = order, BUSY
            self.records[reply] = record
            self.publish_order(reply, record, channel, payload)
            self._count_resumes(channel, reply)
            return Published.PUBLISHED

    def _count_resumes(self, channel: str, reply: str) -> None:
        if channel == RESUME:
            self.kept.setdefault(reply, KeptData()).resumes += 1

    def _require_server(self, server: str | None) -> None:
        if server not in self.counters:
            raise ServerEvicted(f"The server {server} is not registered.")

    def republish(self, reply: str, snapshot: ConnectionSnapshot | None) -> None:
        """Publish the pending message again, if a flush deleted it; see ``republish.lua``.

        Without a *snapshot*, the request is forgotten instead, and its server told.
        """
        with self.changed:
            record = self.records.get(reply)
            if record is None or record.state == IDLE:
                return
            if record.state == DISCONNECTING:
                channel, payload = last_channel(reply), record.disconnect_payload
            elif snapshot is None:
                self._forget_request(reply, record)
                return
            elif record.order == snapshot.order and snapshot.pending is not None:
                channel, payload = snapshot.pending
            else:
                return
            if not self.is_there(channel, record):
                self.publish_order(reply, record, channel, payload)

    def _forget_request(self, reply: str, record: Record) -> None:
        if self.is_there(first_channel(reply), record):
            return
        self.delete_connection(reply)
        self.tell_end(reply.partition("!")[0], reply)

    def tell_end(self, server: str, reply: str) -> None:
        """Tell a server that a connection has ended without a last message."""
        if server in self.counters:
            self.add_to_inbox(server, [InboxOperation(InboxKind.END, reply, b"")])
            self.inbox_listeners.get(server, lambda: None)()

    def is_there(self, channel: str, record: Record) -> bool:
        """Say whether the pending message of a connection waits, or a worker holds it."""
        stream = self.stream(channel)
        return record.token in stream.waiting or record.token in stream.pending

    def close(self, reply: str, code: int, claim: Claim | None = None) -> Closed:
        """End a connection; see ``close.lua``. A kept one has the *claim* of its server."""
        with self.changed:
            record = self.records.get(reply)
            if record is None or self.has_moved(reply, claim):
                return Closed.GONE
            if (kept := self.kept.get(reply)) is not None:
                kept.parked = kept.due = None
            return self.end_connection(reply, record, code)

    def end_connection(self, reply: str, record: Record, code: int) -> Closed:
        """Publish the disconnect of a connection; see ``lib/connection.lua``."""
        with self.changed:
            if record.state in (CLOSING, DISCONNECTING):
                return Closed.REPEATED
            record.code = code
            if record.state == IDLE:
                self._publish_disconnect(reply, record)
                return Closed.PUBLISHED
            if self._withdraw(reply, record):
                return Closed.WITHDRAWN
            record.state = CLOSING
            return Closed.CLOSING

    def withdraw(self, reply: str) -> bool:
        """Delete a request that no worker has taken; see ``withdraw.lua``."""
        with self.changed:
            record = self.records.get(reply)
            return record is not None and record.state == BUSY and self._withdraw(reply, record)

    def _withdraw(self, reply: str, record: Record) -> bool:
        channel = first_channel(reply)
        if record.order != 0 or self.is_taken(channel, record):
            return False
        del self.stream(channel).waiting[record.token]
        self.forget_empty(channel)
        self.delete_connection(reply)
        return True

    def tell(self, reply: str, payload: bytes) -> None:
        """Keep *payload* for the consumer of a request; see ``tell.lua``."""
        with self.changed:
            if reply in self.records:
                self.told.setdefault(reply, deque()).append(payload)
                self.changed.notify_all()

    def listen(self, reply: str, timeout: float) -> bytes | None:
        """Wait up to *timeout* seconds for what the server of a request tells."""
        with self.changed:
            if not self.changed.wait_for(lambda: reply in self.told, timeout):
                return None
            payload = self.told[reply].popleft()
            if not self.told[reply]:
                del self.told[reply]
            return payload

    def waiting_for(self, delivery: Delivery) -> Record | None:
        """Return the record of the connection that waits for *delivery*, if there is one."""
        record = self.records.get(delivery.reply_channel or "")
        if record is None or record.order != delivery.order or record.state == IDLE:
            return None
        return record

    def finish_order(self, reply: str, record: Record, *, ends: bool) -> InboxOperation | None:
        """Go on after the pending message is finished; return what its server must learn."""
        self.told.pop(reply, None)
        if record.state == CLOSING and not ends:
            self._publish_disconnect(reply, record)
            return None
        if ends or record.state == DISCONNECTING:
            self.delete_connection(reply)
            return InboxOperation(InboxKind.END, reply, b"")
        record.state, record.token = IDLE, ""
        return InboxOperation(InboxKind.RELEASE, reply, str(record.order).encode())

    def is_connected(self, reply: str) -> bool:
        """Say whether the connection of *reply* has not ended; see ``connected.lua``."""
        record = self.records.get(reply)
        if record is None:
            return False
        return not is_request(reply) or record.state in (IDLE, BUSY)

    def save_session(self, session: Session) -> None:
        """Save a session, if its connection has not ended."""
        with self.changed:
            if session.reply_channel in self.records:
                self.sessions[session.reply_channel] = session.payload

    def is_taken(self, channel: str, record: Record) -> bool:
        """Say whether a worker holds the pending message, or has begun to run it before."""
        waiting = self.stream(channel).waiting.get(record.token)
        return waiting is None or waiting.attempts + waiting.failures + waiting.deaths > 0

    def publish_order(self, reply: str, record: Record, channel: str, payload: bytes) -> None:
        """Add the next message of a connection to *channel*."""
        record.token = self.add_message(
            Delivery(
                channel=channel,
                token="",
                consumer="",
                id=f"{reply}:{record.order}",
                payload=payload,
                reply_channel=reply,
                order=record.order,
                code=record.code,
                session=self.sessions.get(reply),
            )
        )

    def _publish_disconnect(self, reply: str, record: Record) -> None:
        record.order += 1
        record.state = DISCONNECTING
        self.publish_order(reply, record, last_channel(reply), record.disconnect_payload)

    def delete_connection(self, reply: str) -> None:
        """Delete all data of a connection."""
        for known in (self.records, self.sessions, self.told, self.kept):
            known.pop(reply, None)


def process_of(consumer: str) -> str:
    """Return the process of ``<process>.<thread>``; "" for another name."""
    return consumer.rpartition(".")[0]
