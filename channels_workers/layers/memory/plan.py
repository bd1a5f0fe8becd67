"""A plan of the writes of a list of operations, which are all checked first; see ``outbox.lua``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress

from channels_workers.conf import configuration
from channels_workers.exceptions import ChannelFull
from channels_workers.layers.memory.store import CLOSING, DISCONNECTING, Record, Store
from channels_workers.layers.types import (
    CONNECT,
    Committed,
    DeadLetter,
    Delivery,
    Finished,
    GroupSend,
    InboxKind,
    InboxOperation,
    Join,
    Leave,
    Operation,
    Send,
    server_of,
)


class Plan:
    """Collects writes into *store*; the caller holds its lock until :meth:`write`."""

    def __init__(self, store: Store, capacity_of: Callable[[str], int]) -> None:
        self.store = store
        self.capacity_of = capacity_of
        self._inboxes: dict[str, list[InboxOperation]] = defaultdict(list)
        self._messages: list[Delivery] = []
        #: Group, member, and whether it joins; ordinary channels have ``*`` before their name.
        self._changes: list[tuple[str, str, bool]] = []
        self._lengths: dict[str, int] = {}
        self._members: dict[str, set[str]] = {}

    def add_all(self, operations: Sequence[Operation], parent: str) -> None:
        """Plan *operations*; their messages get ids below *parent*."""
        for number, operation in enumerate(operations, 1):
            match operation:
                case Send(channel, payload):
                    self._send(Delivery(channel, "", "", f"{parent}.{number}", payload))
                case GroupSend(group, payload):
                    self._send_to_group(group, f"{parent}.{number}", payload)
                case Join(group, channel):
                    self._join(group, channel)
                case Leave(group, channel):
                    self._leave(group, channel)

    def release(self, reply: str, record: Record) -> None:
        """Plan the release that tells the server of a finished message, or of the end."""
        server = server_of(reply)
        if record.state == CLOSING or server is None or server not in self.store.counters:
            return
        if record.state == DISCONNECTING:
            self._add(server, InboxKind.END, reply, b"")
        else:
            self._add(server, InboxKind.RELEASE, reply, str(record.order).encode())

    def write(self) -> None:
        """Write everything."""
        store = self.store
        entries = {server: store.add_to_inbox(server, it) for server, it in self._inboxes.items()}
        for group, member, joins in self._changes:
            if joins:
                store.groups[group][member] = entries.get(member, "")
            else:
                store.leave_group(group, member)
        for message in self._messages:
            store.add_message(message)
        for server in self._inboxes:
            if server in store.inbox_listeners:
                store.inbox_listeners[server]()

    def _add(self, server: str, kind: InboxKind, target: str, value: bytes) -> None:
        self._inboxes[server].append(InboxOperation(kind, target, value))

    def _send(self, message: Delivery) -> None:
        channel = message.channel
        server = server_of(channel)
        if server is None:
            length = self._lengths.get(channel)
            if length is None:
                length = len(self.store.stream(channel))
            if length >= self.capacity_of(channel):
                raise ChannelFull(channel, length)
            self._lengths[channel] = length + 1
            self._messages.append(message)
        elif server in self.store.counters:
            self._add(server, InboxKind.SEND, channel, message.payload)

    def _send_to_group(self, group: str, message_id: str, payload: bytes) -> None:
        for member in self._members_of(group):
            if member.startswith("*"):
                with suppress(ChannelFull):  # a full channel is skipped
                    self._send(Delivery(member[1:], "", "", message_id, payload))
            elif member in self.store.counters:
                self._add(member, InboxKind.GROUP_SEND, group, payload)

    def _join(self, group: str, channel: str) -> None:
        server = server_of(channel)
        if server is None:
            self._change(group, f"*{channel}", joins=True)
        elif server in self.store.counters:
            self._add(server, InboxKind.JOIN, group, channel.encode())
            self._change(group, server, joins=True)

    def _leave(self, group: str, channel: str) -> None:
        # A server itself leaves the group, once it has no member left.
        server = server_of(channel)
        if server is None:
            self._change(group, f"*{channel}", joins=False)
        elif server in self.store.counters:
            self._add(server, InboxKind.LEAVE, group, channel.encode())

    def _members_of(self, group: str) -> set[str]:
        """Return the members of a group after the planned changes."""
        if group not in self._members:
            self._members[group] = set(self.store.groups.get(group, ()))
        return self._members[group]

    def _change(self, group: str, member: str, *, joins: bool) -> None:
        members = self._members_of(group)
        (members.add if joins else members.discard)(member)
        self._changes.append((group, member, joins))


def commit(store: Store, finished: Finished, capacity_of: Callable[[str], int]) -> Committed:
    """Finish a delivery in one step; see ``commit.lua``."""
    delivery, operations, session = finished
    with store.changed:
        if not store.is_owner(delivery):
            return Committed.STALE
        reply = delivery.reply_channel or ""
        record = store.waiting_for(delivery)
        if reply and record is None:
            store.acknowledge(delivery)
            return Committed.GONE
        plan = Plan(store, capacity_of)
        plan.add_all(operations, delivery.id)
        store.acknowledge(delivery)
        if session is not None and not (record and record.state == DISCONNECTING):
            store.save_session(session)
        if record is not None:
            plan.release(reply, record)
        plan.write()
        if record is not None:
            store.finish_order(reply, record)
        return Committed.DONE


def dead_letter(store: Store, delivery: Delivery, reason: str, refusal: bytes) -> None:
    """Make a pending delivery a dead letter; see ``lib/dead_letters.lua``.

    Its connection goes on as if a consumer had run and done nothing. *refusal* refuses a handshake.
    """
    held = store.acknowledge(delivery)
    store.dead_letters.append(DeadLetter(store.next_token(), reason, held))
    del store.dead_letters[: -configuration().DEAD_LETTERS]
    record = store.waiting_for(held)
    if record is not None and held.reply_channel is not None:
        plan = Plan(store, lambda channel: 0)
        if held.channel == CONNECT:
            plan.add_all([Send(held.reply_channel, refusal)], held.id)
        plan.release(held.reply_channel, record)
        plan.write()
        store.finish_order(held.reply_channel, record)
