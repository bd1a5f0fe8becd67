"""A plan of the writes of a list of operations, which are all checked first; see ``outbox.lua``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from channels_workers.conf import configuration
from channels_workers.exceptions import ChannelFull
from channels_workers.layers.history import Histories, Joined, Limits, Position
from channels_workers.layers.memory.elsewhere import Elsewhere
from channels_workers.layers.memory.histories import History
from channels_workers.layers.memory.shard_data import Positioned
from channels_workers.layers.memory.store import KeptData, Later, Record, Store
from channels_workers.layers.types import (
    CONNECT,
    DELAY,
    KEPT_MARK,
    REQUEST,
    RESUME,
    DeadLetter,
    Delivery,
    GroupSend,
    InboxKind,
    InboxOperation,
    Join,
    Leave,
    Operation,
    Refusals,
    Resume,
    Send,
    SendLater,
    Session,
)


class Plan:
    """Collects writes into *store*; the caller holds its lock until :meth:`write`."""

    def __init__(
        self,
        store: Store,
        capacity_of: Callable[[str], int],
        histories: Histories | None = None,
    ) -> None:
        self.store = store
        self.capacity_of = capacity_of
        self.histories = histories
        #: The messages to keep, by group, with the history that keeps them.
        self._kept: dict[str, tuple[History, Limits, list[bytes]]] = {}
        self._inboxes: dict[str, list[InboxOperation]] = defaultdict(list)
        self._messages: list[Delivery] = []
        self._delayed: dict[str, Later] = {}
        #: Group, member, and whether it joins; ordinary channels have ``*`` before their name.
        self._changes: list[tuple[str, str, bool]] = []
        #: The same for kept connections, whose next server joins the groups again.
        self._kept_groups: list[tuple[str, str, bool]] = []
        self._lengths: dict[str, int] = {}
        #: The members of changed groups after the changes.
        self._members: dict[str, set[str]] = {}
        #: What concerns other shards, if there are any.
        self.elsewhere = None if store.shard is None else Elsewhere(store.shard, histories)

    def resume(self, wanted: Resume) -> Joined:
        """Plan the join of a group with history, and what it replays; see ``resume.lua``."""
        group, channel, since, _ = wanted
        history, server = self._open(group, wanted.limits)[0], self.store.server_of(channel)
        history.trim(wanted.limits, self.store.clock())
        missed = history.missed(since)
        if missed and self.store.inbox_size(server or "") > configuration().INBOX_BYTES // 2:
            missed = None
        is_gap, missed = missed is None, missed or []
        if server in self.store.counters:
            start = history.last - len(missed)
            value = f"{channel}:{history.position}:{start}".encode()
            self._tell(server, InboxOperation(InboxKind.RESUME, group, value))
            for position, payload in missed:
                value = f"{group}:{position}:".encode() + payload
                self._tell(server, InboxOperation(InboxKind.REPLAY, channel, value))
            self._change(group, server, joins=True)
        self._note_kept(channel, group, joins=True)
        return Joined(history.position, is_gap, len(missed))

    def _tell(self, server: str | None, operation: InboxOperation) -> None:
        if server is not None:
            self._inboxes[server].append(operation)

    def _open(self, group: str, limits: Limits) -> tuple[History, list[bytes]]:
        """Return the history of a group, and the messages that it is to keep."""
        if group not in self._kept:
            self._kept[group] = self.store.histories.get(group), limits, []
        history, _, payloads = self._kept[group]
        return history, payloads

    def tell_server(self, server: str, operation: InboxOperation) -> None:
        """Plan an operation for *server*, if it is registered."""
        if server in self.store.counters:
            self._inboxes[server].append(operation)

    def add_all(self, operations: Sequence[Operation], parent: str) -> None:
        """Plan *operations*; their messages get ids below *parent*."""
        for number, operation in enumerate(operations, 1):
            if self.elsewhere is not None and self.elsewhere.takes(operation, f"{parent}.{number}"):
                continue
            match operation:
                case Send(channel, payload):
                    self.send(Delivery(channel, "", "", f"{parent}.{number}", payload))
                case SendLater():
                    self._send_later(operation)
                case GroupSend(group, payload):
                    self._send_to_group(group, f"{parent}.{number}", payload)
                case Join(group, channel):
                    self._join(group, channel)
                case Leave(group, channel):
                    self._leave(group, channel)

    def finish_order(self, reply: str, record: Record, *, ends: bool = False) -> None:
        """Finish the pending message of a connection, and plan to tell its server."""
        server = self.store.server_of(reply)  # before the connection ends
        operation = self.store.finish_order(reply, record, ends=ends)
        if operation and server and server in self.store.counters:
            self._inboxes[server].append(operation)

    def save_session(self, session: Session) -> None:
        """Save a session on its shard, and let its server keep it, should the shard lose it."""
        if self.elsewhere is not None and self.elsewhere.takes(session, ""):
            return
        self.store.save_session(session)
        if (server := self.store.server_of(session.reply_channel)) is not None:
            self.tell_server(server, InboxOperation(InboxKind.KEEP_SESSION, *session))

    def write(self) -> None:
        """Write everything."""
        store = self.store
        entries = {server: store.add_to_inbox(server, it) for server, it in self._inboxes.items()}
        self._write_groups(entries)
        for message in self._messages:
            store.add_message(message)
        store.delayed.update(self._delayed)
        for group, (history, limits, payloads) in self._kept.items():
            if self.histories is not None:
                now = store.clock()
                store.histories.write(group, history, payloads, limits, self.histories, now)
        for server in self._inboxes:
            if server in store.inbox_listeners:
                store.inbox_listeners[server]()
        if self.elsewhere is not None and self.elsewhere.write():
            store.changed.notify_all()
            store.logged()

    def _write_groups(self, entries: Mapping[str, str]) -> None:
        store = self.store
        for group, member, joins in self._changes:
            if joins:
                store.groups[group][member] = entries.get(member, "")
            else:
                store.leave_group(group, member)
        for reply, group, joins in self._kept_groups:
            if reply in store.records:
                groups = store.kept.setdefault(reply, KeptData()).groups
                (groups.add if joins else groups.discard)(group)

    def send(self, message: Delivery) -> None:
        """Plan to send *message*; raise :class:`ChannelFull` if its channel is full."""
        channel = message.channel
        server = self.store.server_of(channel)
        if server is None:
            length = self._lengths.get(channel)
            if length is None:
                length = len(self.store.stream(channel))
            if length >= self.capacity_of(channel):
                self.store.stream(channel).refused += 1
                raise ChannelFull(channel, length)
            self._lengths[channel] = length + 1
            self._messages.append(message)
        elif server in self.store.counters:
            sent = InboxOperation(InboxKind.SEND, channel, message.payload)
            self._inboxes[server].append(sent)

    def _send_later(self, sent: SendLater) -> None:
        channel, payload, delay, message_id = sent
        waiting = len(self.store.delayed) + len(self._delayed)
        if waiting >= self.capacity_of(DELAY):
            raise ChannelFull(DELAY, waiting)
        due = self.store.clock() + delay
        self._delayed[message_id] = Later(channel, payload, due, self.capacity_of(channel))

    def _send_to_group(
        self, group: str, message_id: str, payload: bytes, position: str = ""
    ) -> None:
        limits = None if self.histories is None else self.histories.limits_of(group)
        if limits is not None and not position:
            history, payloads = self._open(group, limits)
            payloads.append(payload)
            given = Position(history.epoch, history.last + len(payloads))
            position = str(given)
            if self.elsewhere is not None and self.histories is not None:
                positioned = Positioned(group, payload, self.histories, given)
                self.elsewhere.note_position(message_id, positioned)
        members = self._members if group in self._members else self.store.groups
        for member in members.get(group, ()):
            if member.startswith("*"):
                with suppress(ChannelFull):  # a full channel is skipped
                    message = Delivery(member[1:], "", "", message_id, payload)
                    self.send(message._replace(position=position) if position else message)
            elif member in self.store.counters:
                sent = InboxOperation(InboxKind.GROUP_SEND, group, payload)
                if position:
                    value = f"{position}:".encode() + payload
                    sent = InboxOperation(InboxKind.POSITIONED, group, value)
                self._inboxes[member].append(sent)

    def _join(self, group: str, channel: str) -> None:
        server = self.store.server_of(channel)
        if server is None:
            self._change(group, f"*{channel}", joins=True)
        elif server in self.store.counters:
            joined = InboxOperation(InboxKind.JOIN, group, channel.encode())
            self._inboxes[server].append(joined)
            self._change(group, server, joins=True)
        self._note_kept(channel, group, joins=True)

    def _leave(self, group: str, channel: str) -> None:
        # A server itself leaves the group, once it has no member left.
        server = self.store.server_of(channel)
        if server is None:
            self._change(group, f"*{channel}", joins=False)
        elif server in self.store.counters:
            left = InboxOperation(InboxKind.LEAVE, group, channel.encode())
            self._inboxes[server].append(left)
        self._note_kept(channel, group, joins=False)

    def _note_kept(self, channel: str, group: str, *, joins: bool) -> None:
        if KEPT_MARK in channel:
            self._kept_groups.append((channel, group, joins))

    def _change(self, group: str, member: str, *, joins: bool) -> None:
        if group not in self._members:
            self._members[group] = set(self.store.groups.get(group, ()))
        members = self._members[group]
        (members.add if joins else members.discard)(member)
        self._changes.append((group, member, joins))


def dead_letter(store: Store, delivery: Delivery, reason: str, refusals: Refusals) -> None:
    """Make a pending delivery a dead letter; see ``lib/dead_letters.lua``.

    Its connection goes on as if a consumer had run and done nothing, or only refused it.
    """
    held = store.acknowledge(delivery)
    store.dead_letters.append(DeadLetter(next(store.tokens), reason, held))
    del store.dead_letters[: -configuration().DEAD_LETTERS]
    record = store.waiting_for(held)
    if record is not None and held.reply_channel is not None:
        plan = Plan(store, lambda channel: 0)
        if held.channel in (CONNECT, RESUME, REQUEST):
            refusal = refusals.request if held.channel == REQUEST else refusals.handshake
            plan.add_all([Send(held.reply_channel, refusal)], held.id)
        plan.finish_order(held.reply_channel, record)
        plan.write()
