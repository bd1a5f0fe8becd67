"""The data of a memory layer: what Redis and its scripts are to the other layer."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from channels_workers.exceptions import ChannelFull, ServerGone
from channels_workers.layers.base import (
    CONNECT,
    DISCONNECT,
    Closed,
    Committed,
    Delivery,
    GroupSend,
    InboxEntry,
    InboxOperation,
    Join,
    Leave,
    Operation,
    Published,
    Send,
    Session,
    server_of,
)
from channels_workers.layers.server import Departure

IDLE, BUSY, CLOSING, DISCONNECTING = "idle", "busy", "closing", "disconnecting"


@dataclass
class Record:
    """What the store knows of one connection."""

    order: int
    state: str
    disconnect_payload: bytes
    token: str = ""
    code: int | None = None


@dataclass
class Stream:
    """The messages of one ordinary channel: those that wait, and those handed out."""

    waiting: OrderedDict[str, Delivery] = field(default_factory=OrderedDict)
    pending: dict[str, Delivery] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.pending)


@dataclass
class Plan:
    """What a list of operations will write, once all of it was checked."""

    inboxes: dict[str, list[InboxOperation]] = field(default_factory=dict)
    messages: list[Delivery] = field(default_factory=list)
    joins: list[tuple[str, str]] = field(default_factory=list)
    members: dict[str, set[str]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)

    def add(self, server: str, kind: str, target: str, value: bytes) -> None:
        self.inboxes.setdefault(server, []).append(InboxOperation(kind, target, value))


class Store:
    """All the data of a memory layer, behind one lock; several layers may share it.

    Each public method is one atomic step, as each script of the Redis layer is.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        #: Called, by server id, when an inbox got an entry; they must not block.
        self.inbox_listeners: dict[str, Callable[[], None]] = {}
        #: Called when any channel got a message; they must not block.
        self.stream_listeners: set[Callable[[], None]] = set()
        self.clear()

    def clear(self) -> None:
        with self.changed:
            self.processes: dict[str, int] = {}
            self.epoch = 1
            self.streams: dict[str, Stream] = defaultdict(Stream)
            self.inboxes: dict[str, list[InboxEntry]] = defaultdict(list)
            self.connections: dict[str, Record] = {}
            self.groups: dict[str, dict[str, str]] = defaultdict(dict)
            self.sessions: dict[str, bytes] = {}
            self.last_token = 0

    def next_token(self) -> str:
        self.last_token += 1
        return f"{self.last_token:020d}"

    # Processes

    def register(self, process: str) -> None:
        with self.changed:
            self.processes.setdefault(process, 1)

    def pulse(self, process: str) -> bool:
        with self.changed:
            if process not in self.processes:
                return False
            self.processes[process] += 1
            return True

    def retire(self, process: str) -> None:
        with self.changed:
            for group in list(self.groups):
                self._remove_member(group, process)
            self.inboxes.pop(process, None)
            self.processes.pop(process, None)

    # Connections

    def publish(
        self, channel: str, reply: str, order: int, payload: bytes, disconnect_payload: bytes
    ) -> Published:
        with self.changed:
            record = self.connections.get(reply)
            if record is None:
                if server_of(reply) not in self.processes:
                    raise ServerGone(f"The server of {reply} is not registered.")
                if order != 0:
                    return Published.GONE
                record = Record(-1, IDLE, disconnect_payload)
            if order <= record.order:
                return Published.REPEATED
            if record.state != IDLE or order != record.order + 1:
                raise RuntimeError(f"Order {order} cannot follow {record.order} ({record.state}).")
            record.order, record.state = order, BUSY
            self.connections[reply] = record
            self._publish_order(reply, record, channel, payload)
            return Published.PUBLISHED

    def close(self, reply: str, code: int) -> Closed:
        with self.changed:
            record = self.connections.get(reply)
            if record is None:
                return Closed.GONE
            if record.state in (CLOSING, DISCONNECTING):
                return Closed.REPEATED
            record.code = code
            if record.state == IDLE:
                self._publish_disconnect(reply, record)
                return Closed.PUBLISHED
            if record.order == 0 and self.streams[CONNECT].waiting.pop(record.token, None):
                self._delete_connection(reply)
                return Closed.WITHDRAWN
            record.state = CLOSING
            return Closed.CLOSING

    def _publish_order(self, reply: str, record: Record, channel: str, payload: bytes) -> None:
        record.token = self._add_message(
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
        self._publish_order(reply, record, DISCONNECT, record.disconnect_payload)

    def _delete_connection(self, reply: str) -> None:
        self.connections.pop(reply, None)
        self.sessions.pop(reply, None)

    # Deliveries

    def pull(self, channels: Sequence[str], consumer: str, timeout: float) -> list[Delivery]:
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = [
                    self._hand_out(self.streams[channel], consumer)
                    for channel in channels
                    if self.streams[channel].waiting
                ]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self.changed.wait(left)

    def take(self, channel: str) -> Delivery | None:
        with self.changed:
            waiting = self.streams[channel].waiting
            return waiting.popitem(last=False)[1] if waiting else None

    def commit(
        self,
        delivery: Delivery,
        operations: Sequence[Operation],
        session: Session | None,
        capacity_of: Callable[[str], int],
    ) -> Committed:
        with self.changed:
            if not self._is_owner(delivery):
                return Committed.STALE
            record = None
            if delivery.reply_channel is not None:
                record = self.connections.get(delivery.reply_channel)
                if record is None or record.order != delivery.order or record.state == IDLE:
                    del self.streams[delivery.channel].pending[delivery.token]
                    return Committed.GONE
            plan = self._plan(operations, delivery.id, capacity_of)
            del self.streams[delivery.channel].pending[delivery.token]
            if session is not None and not (record and record.state == DISCONNECTING):
                self.save_session(session)
            if record is not None and delivery.reply_channel is not None:
                self._plan_release(plan, delivery.reply_channel, record)
            self._write(plan)
            if record is not None and delivery.reply_channel is not None:
                self._finish_order(delivery.reply_channel, record)
            return Committed.DONE

    def _plan_release(self, plan: Plan, reply: str, record: Record) -> None:
        server = server_of(reply)
        if record.state == BUSY and server is not None and server in self.processes:
            plan.add(server, "r", reply, str(record.order).encode())

    def _finish_order(self, reply: str, record: Record) -> None:
        if record.state == DISCONNECTING:
            self._delete_connection(reply)
        elif record.state == CLOSING:
            self._publish_disconnect(reply, record)
        else:
            record.state, record.token = IDLE, ""

    def requeue(self, delivery: Delivery, attempts: int) -> Committed:
        with self.changed:
            if not self._is_owner(delivery):
                return Committed.STALE
            held = self.streams[delivery.channel].pending.pop(delivery.token)
            token = self._add_message(replace(held, consumer="", attempts=attempts))
            record = self.connections.get(delivery.reply_channel or "")
            if record is not None and record.token == delivery.token:
                record.token = token
            return Committed.DONE

    def take_over(self, channels: Sequence[str], owner: str, consumer: str) -> Delivery | None:
        with self.changed:
            for channel in channels:
                pending = self.streams[channel].pending
                for token, held in pending.items():
                    if held.consumer == owner:
                        pending[token] = replace(
                            held, consumer=consumer, attempts=held.attempts + 1
                        )
                        return pending[token]
            return None

    def _hand_out(self, stream: Stream, consumer: str) -> Delivery:
        token, waiting = stream.waiting.popitem(last=False)
        stream.pending[token] = replace(waiting, consumer=consumer)
        return stream.pending[token]

    def _is_owner(self, delivery: Delivery) -> bool:
        held = self.streams[delivery.channel].pending.get(delivery.token)
        return held is not None and held.consumer == delivery.consumer

    def _add_message(self, message: Delivery) -> str:
        token = self.next_token()
        self.streams[message.channel].waiting[token] = replace(message, token=token)
        self.changed.notify_all()
        for listener in tuple(self.stream_listeners):
            listener()
        return token

    # Operations

    def apply(
        self, operations: Sequence[Operation], parent: str, capacity_of: Callable[[str], int]
    ) -> None:
        with self.changed:
            self._write(self._plan(operations, parent, capacity_of))

    def _plan(
        self, operations: Sequence[Operation], parent: str, capacity_of: Callable[[str], int]
    ) -> Plan:
        plan = Plan()
        for number, operation in enumerate(operations, 1):
            match operation:
                case Send(channel, payload):
                    message = Delivery(channel, "", "", f"{parent}.{number}", payload)
                    self._plan_send(plan, message, capacity_of)
                case GroupSend(group, payload):
                    message = Delivery("", "", "", f"{parent}.{number}", payload)
                    self._plan_group_send(plan, group, message, capacity_of)
                case Join(group, channel):
                    self._plan_join(plan, group, channel)
                case Leave(group, channel):
                    self._plan_leave(plan, group, channel)
        return plan

    def _plan_send(self, plan: Plan, message: Delivery, capacity_of: Callable[[str], int]) -> None:
        channel = message.channel
        server = server_of(channel)
        if server is None:
            length = plan.lengths.get(channel, len(self.streams[channel]))
            if length >= capacity_of(channel):
                raise ChannelFull(channel, length)
            plan.lengths[channel] = length + 1
            plan.messages.append(message)
        elif server in self.processes:
            plan.add(server, "s", channel, message.payload)

    def _plan_group_send(
        self, plan: Plan, group: str, message: Delivery, capacity_of: Callable[[str], int]
    ) -> None:
        for member in self._members(plan, group):
            if member.startswith("*"):
                with suppress(ChannelFull):  # a full channel is passed over
                    self._plan_send(plan, replace(message, channel=member[1:]), capacity_of)
            elif member in self.processes:
                plan.add(member, "g", group, message.payload)

    def _plan_join(self, plan: Plan, group: str, channel: str) -> None:
        server = server_of(channel)
        if server is None:
            self._members(plan, group).add(f"*{channel}")
            plan.joins.append((group, f"*{channel}"))
        elif server in self.processes:
            self._members(plan, group).add(server)
            plan.add(server, "j", group, channel.encode())
            plan.joins.append((group, server))

    def _plan_leave(self, plan: Plan, group: str, channel: str) -> None:
        server = server_of(channel)
        if server is None:
            self._members(plan, group).discard(f"*{channel}")
            plan.joins.append((group, f"-{channel}"))
        elif server in self.processes:
            plan.add(server, "l", group, channel.encode())

    def _members(self, plan: Plan, group: str) -> set[str]:
        if group not in plan.members:
            plan.members[group] = set(self.groups[group]) if group in self.groups else set()
        return plan.members[group]

    def _write(self, plan: Plan) -> None:
        entries = {}
        for server, operations in plan.inboxes.items():
            entries[server] = self.next_token()
            self.inboxes[server].append(InboxEntry(entries[server], operations))
        for group, member in plan.joins:
            if member.startswith("-"):
                self._remove_member(group, f"*{member[1:]}")
            else:
                self.groups[group][member] = entries.get(member, "")
        for message in plan.messages:
            self._add_message(message)
        for server in plan.inboxes:
            if server in self.inbox_listeners:
                self.inbox_listeners[server]()

    def _remove_member(self, group: str, member: str) -> None:
        if group in self.groups:
            self.groups[group].pop(member, None)
            if not self.groups[group]:
                del self.groups[group]

    def leave(self, server: str, departure: Departure) -> None:
        with self.changed:
            if self.groups.get(departure.group, {}).get(server) == departure.entry:
                self._remove_member(departure.group, server)

    def read_inbox(self, server: str) -> list[InboxEntry]:
        with self.changed:
            return self.inboxes.pop(server, [])

    # Sessions

    def save_session(self, session: Session) -> None:
        with self.changed:
            if session.reply_channel in self.connections:
                self.sessions[session.reply_channel] = session.payload
