"""The state of one interface server: its channels and their groups; no I/O."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from channels_workers.conf import configuration
from channels_workers.exceptions import MessageError
from channels_workers.layers.aside import Aside
from channels_workers.layers.codec import Codec
from channels_workers.layers.history import Position
from channels_workers.layers.kept import Kept, KeptChannels
from channels_workers.layers.mailboxes import Mailbox
from channels_workers.layers.positions import MemberPositions, stamp
from channels_workers.layers.shards.heard import Heard
from channels_workers.layers.shards.names import id_on
from channels_workers.layers.types import (
    Connection,
    ConnectionSnapshot,
    InboxEntry,
    InboxKind,
    InboxOperation,
    Receiver,
    ReplyKind,
    Unreadable,
    is_request,
    new_id,
)
from channels_workers.logs import fields
from channels_workers.tracing import hooks

logger = logging.getLogger(__name__)


#: The entry id of the last join to each group, after the layer restored the server.
RESTORED = "restored"

#: How many notes of unreadable fields are kept until the layer takes them: the newest.
KEPT_UNREADABLE = 20

CURE = (
    "The rest of the inbox is processed. Another program writes to these keys, or processes run "
    "another release or other `symmetric_encryption_keys`. See `manage.py deadletters aside`."
)

#: Matches a position, and what follows it.
is_positioned = re.compile(rb"([0-9a-f]+):([0-9]{1,15}):(.*)", re.DOTALL).fullmatch

PAST_HISTORY = (
    "A process has sent to group %s without its history, so those who come back miss the message. "
    "Give all processes this release, and the same `history` in the CONFIG of CHANNEL_LAYERS. This "
    "is logged once"
)


class Departure(NamedTuple):
    """A group that has no member on this server any more.

    *entry* is the inbox entry of the last join processed. The layer removes the server only if no
    later join is in its inbox.
    """

    group: str
    entry: str


class Action:
    """What an operation of one kind does, and how many of them came."""

    __slots__ = ("count", "run")

    def __init__(self, run: Callable[[InboxOperation, str], None]) -> None:
        self.run = run
        self.count = 0


class Server:
    """The channels of one server, and their groups; it lives in one event loop.

    Operations come in the order of the inbox.
    """

    def __init__(self, codec: Codec, shard: str | None = None) -> None:
        self.id = id_on(shard, new_id())
        self.codec = codec
        #: All receivers by channel; each is a connection or a mailbox, too.
        self.receivers: dict[str, Receiver] = {}
        self.connections: dict[str, Connection] = {}
        self.mailboxes: dict[str, Mailbox] = {}
        self.groups: dict[str, dict[str, Receiver]] = {}
        self.groups_of: dict[str, set[str]] = {}
        self.last_join: dict[str, str] = {}
        #: What members have received, of each group whose positions this server knows.
        self.positions: dict[str, MemberPositions] = {}
        self._is_past_history_logged = False
        #: The last session of each connection.
        self.sessions: dict[str, bytes] = {}
        #: Connections whose disconnect is not finished.
        self.ending: dict[str, ConnectionSnapshot] = {}
        #: Ending requests that the layer must not restore.
        self.ending_unrestored: set[str] = set()
        #: Ending connections that the layer did not know.
        self.unsure: set[str] = set()
        #: Connections whose end the layer remembers until the next heartbeat names them.
        self.ended: set[str] = set()
        self.position = ""  # id of the last inbox entry that was processed
        self.entry = ""  # id of the one that is processed, or was last
        #: Whether an entry announced a flush; for the reader of the inbox, which resets it.
        self.was_flushed = False
        self.kept = KeptChannels(self)
        #: What came from other shards.
        self.heard = Heard()
        self._left: list[Departure] = []  # of connections that have moved away
        self.aside = Aside(logger, CURE)
        #: The newest unreadable data, until the layer takes them.
        self.unreadable: deque[Unreadable] = deque(maxlen=KEPT_UNREADABLE)
        self._actions = {
            InboxKind.SEND: Action(self._send),
            InboxKind.GROUP_SEND: Action(self._send_to_group),
            InboxKind.JOIN: Action(self._join),
            InboxKind.LEAVE: Action(self._leave),
            InboxKind.RELEASE: Action(self._release),
            InboxKind.KEEP_SESSION: Action(self._keep_session),
            InboxKind.END: Action(self._end),
            InboxKind.FLUSHED: Action(self._note_flush),
            InboxKind.POSITIONED: Action(self._send_positioned),
            InboxKind.RESUME: Action(self._resume),
            InboxKind.REPLAY: Action(self._replay),
            InboxKind.MOVED: Action(self._move),
            InboxKind.HAND_OVER: Action(self._take_over),
            InboxKind.HEARD: Action(self.heard.note),
            InboxKind.GAP: Action(self.heard.note_gap),
        }

    # Channels

    def attach(self, connection: Connection, kind: ReplyKind = ReplyKind.SOCKET) -> str:
        """Return a new reply channel for *connection*."""
        is_kept = kind is ReplyKind.KEPT
        channel = self._open(
            connection, f"{kind}{configuration().RESUME_TIME}." if is_kept else kind
        )
        self.connections[channel] = connection
        if is_kept:
            self.kept.states[channel] = Kept()
        return channel

    def attach_mailbox(self, mailbox: Mailbox) -> str:
        """Return a new channel for *mailbox*."""
        channel = self._open(mailbox)
        self.mailboxes[channel] = mailbox
        return channel

    def _open(self, receiver: Receiver, kind: str = ReplyKind.SOCKET) -> str:
        channel = f"{self.id}!{kind}{new_id()}"
        self.receivers[channel] = receiver
        self.groups_of[channel] = set()
        return channel

    def wake_mailboxes(self) -> None:
        """Wake all readers of mailboxes, so that they look again; callable from any thread."""
        for mailbox in list(self.mailboxes.values()):
            mailbox.wake_all()

    def leave_groups(self, channel: str) -> list[Departure]:
        """Take *channel* out of its groups for good; return the groups left empty."""
        groups = self.groups_of.pop(channel, set())
        for group in groups:
            self._remove(group, channel)
        return self._departures(groups)

    def _remove(self, group: str, channel: str) -> None:
        self.groups.get(group, {}).pop(channel, None)
        if self.positions and group in self.positions:
            self.positions[group].leave(channel)

    def detach(self, channel: str) -> list[Departure]:
        """Forget *channel*; return the groups left empty."""
        for known in (self.receivers, self.connections, self.mailboxes, self.kept.states):
            known.pop(channel, None)
        if channel not in self.ending:
            self.sessions.pop(channel, None)
        return self.leave_groups(channel)

    def end(self, channel: str, code: int) -> bool:
        """Keep a connection that ends with *code* until its disconnect is finished.

        Returns False if it is a socket that has published nothing. Of a request that the layer must
        not restore, only the channel is kept.
        """
        connection = self.connections.get(channel)
        snapshot = connection.snapshot() if connection else None
        if snapshot is not None:
            self.ending[channel] = snapshot._replace(code=code)
        elif is_request(channel) and channel not in self.ending:
            self.ending_unrestored.add(channel)
        return channel in self.ending or is_request(channel)

    def forget_ends(self, channels: Iterable[str]) -> None:
        """Forget connections that have ended."""
        for channel in channels:
            self.forget_end(channel)

    def forget_end(self, channel: str) -> None:
        """Forget a connection that has ended."""
        self.ending.pop(channel, None)
        self.ending_unrestored.discard(channel)
        self.sessions.pop(channel, None)

    def snapshots(self) -> Iterator[tuple[str, ConnectionSnapshot]]:
        """Yield all connections with a record by channel, those that end too."""
        found = {channel: each.snapshot() for channel, each in self.connections.items()}
        for channel, snapshot in {**found, **self.ending}.items():
            if snapshot is not None:
                yield channel, snapshot

    def unrestored(self) -> list[str]:
        """Return the requests that the layer must not restore."""
        found = {
            channel
            for channel, connection in self.connections.items()
            if is_request(channel) and channel not in self.ending and connection.snapshot() is None
        }
        return sorted(found | self.ending_unrestored)

    def forget_requests(self, channels: Iterable[str]) -> None:
        """Tell requests that the layer has forgotten them."""
        operations = [InboxOperation(InboxKind.END, channel, b"") for channel in channels]
        self.process(InboxEntry(self.position, operations))

    # The inbox

    def process(self, entry: InboxEntry) -> list[Departure]:
        """Carry out one inbox entry; return the groups that are empty after all of it."""
        touched: set[str] = set()
        self.entry = entry.id
        for found in entry.unreadable:
            self._set_aside(found)
        operations = entry.operations
        if operations and operations[0].kind is InboxKind.HEARD:
            operations, joined = self.heard.sift(operations)
            self.last_join.update(dict.fromkeys(joined, entry.id))
            touched.update(joined)
        for operation in operations:
            if operation.kind in GROUP_CHANGES:
                touched.add(operation.target)
            action = self._actions[operation.kind]
            action.count += 1
            try:
                action.run(operation, entry.id)
            except (MessageError, UnicodeDecodeError) as error:
                kind, target, value = operation
                where = f"Operation {kind}{target} of inbox entry {entry.id}"
                self._set_aside(Unreadable(where, str(error), value))
            except Exception:  # one operation must not stop the inbox
                extra = fields("inbox_failed", process_id=self.id)
                text = "Operation %s on %s failed"
                logger.exception(text, operation.kind, operation.target, extra=extra)
        self.position = entry.id
        departures = self._departures(touched) if touched else []
        if self._left:
            departures, self._left = departures + self._left, []
        return departures

    def operations(self) -> dict[str, int]:
        """Return how many operations of each kind came."""
        return {kind.name.lower(): action.count for kind, action in self._actions.items()}

    def _set_aside(self, found: Unreadable) -> None:
        self.aside.add(found, fields("unreadable", process_id=self.id))
        self.unreadable.append(found)

    def take_unreadable(self) -> list[Unreadable]:
        """Return the newest unreadable data since the last call."""
        found = list(self.unreadable)
        self.unreadable.clear()
        return found

    # The life of the server in the layer

    def forget_all(self) -> None:
        """Forget every channel: the layer has evicted this server."""
        self.wake_mailboxes()
        for known in (self.receivers, self.connections, self.mailboxes):
            known.clear()
        for state in (self.groups, self.groups_of, self.last_join, self.sessions, self.ending):
            state.clear()
        self.positions.clear()
        self.ended.clear()
        self.ending_unrestored.clear()
        self.kept.clear()

    def leave_all(self) -> None:
        """Take every channel out of its groups; they may join again."""
        self.groups.clear()
        self.positions.clear()
        self.last_join.clear()
        for groups in self.groups_of.values():
            groups.clear()

    def restored(self) -> None:
        """Note that the layer, which had lost its data, has all of this server again."""
        self.position = ""
        self.ended.clear()
        self.last_join = dict.fromkeys(self.groups, RESTORED)

    # One method for each kind of operation

    def _send(self, operation: InboxOperation, entry: str) -> None:
        receiver = self.receivers.get(operation.target)
        if receiver is not None:
            self._deliver(
                {operation.target: receiver}, operation.target, operation.value, to_group=False
            )

    def _send_to_group(self, operation: InboxOperation, entry: str) -> None:
        if members := self.groups.get(operation.target):
            if self.positions and operation.target in self.positions:
                self._note_past_history(operation.target)
            self._deliver(members, operation.target, operation.value, to_group=True)

    def _send_positioned(self, operation: InboxOperation, entry: str) -> None:
        group = operation.target
        position, payload = _read_position(operation.value)
        if members := self.groups.get(group):
            self._positions_of(group).send(position, members)
            self._deliver(members, group, payload, to_group=True, position=position)

    def _deliver(
        self,
        receivers: Mapping[str, Receiver],
        target: str,
        payload: bytes,
        *,
        to_group: bool,
        position: Position | None = None,
    ) -> None:
        content = self.codec.decode(payload)
        carrier, delivering = content.pop(hooks.CARRIER, None), None
        if hooks.active is not None:
            count = len(receivers)
            delivering = hooks.active.deliver(carrier, target, count, to_group=to_group)
        if position is not None:
            stamp(content, position)
        for channel, receiver in list(receivers.items()):
            try:
                receiver.deliver(content, to_group)
            except Exception:  # one channel must not stop the others
                request_id = getattr(receiver, "request_id", None) or None
                extra = fields("delivery_failed", connection=channel, request_id=request_id)
                logger.exception("Delivering to %s failed", channel, extra=extra)
        if delivering is not None:
            delivering.end()

    def _join(self, operation: InboxOperation, entry: str) -> None:
        group, channel = operation.target, operation.value.decode()
        self.last_join[group] = entry
        if channel in self.groups_of:  # else it has closed meanwhile
            self.groups_of[channel].add(group)
            self.groups.setdefault(group, {})[channel] = self.receivers[channel]
            if self.positions and group in self.positions:
                self.positions[group].join(channel)

    def _resume(self, operation: InboxOperation, entry: str) -> None:
        group = operation.target
        name, _, rest = operation.value.partition(b":")
        position, since = _read_position(rest)
        channel = name.decode()
        if not since.isdigit() or len(since) > 15:
            raise MessageError("It has no offset.")
        self.last_join[group] = entry
        if channel in self.groups_of:  # else it has closed meanwhile
            members = self.groups.setdefault(group, {})
            self._positions_of(group).resume(channel, position, int(since), members)
            self.groups_of[channel].add(group)
            members[channel] = self.receivers[channel]

    def _replay(self, operation: InboxOperation, entry: str) -> None:
        channel = operation.target
        group, _, rest = operation.value.partition(b":")
        position, payload = _read_position(rest)
        known, receiver = self.positions.get(group.decode()), self.receivers.get(channel)
        if known is not None and receiver is not None and known.is_new(channel, position):
            self._deliver({channel: receiver}, channel, payload, to_group=True, position=position)

    def _positions_of(self, group: str) -> MemberPositions:
        if group not in self.positions:
            self.positions[group] = MemberPositions()
        return self.positions[group]

    def _note_past_history(self, group: str) -> None:
        if not self._is_past_history_logged:
            self._is_past_history_logged = True
            logger.error(PAST_HISTORY, group, extra=fields("past_history", process_id=self.id))

    def _leave(self, operation: InboxOperation, entry: str) -> None:
        group, channel = operation.target, operation.value.decode()
        self._remove(group, channel)
        self.groups_of.get(channel, set()).discard(group)

    def _release(self, operation: InboxOperation, entry: str) -> None:
        order = operation.value
        if not order.isdigit() or len(order) > 15:
            raise MessageError("The order of the message to release is not a number.")
        connection = self.connections.get(operation.target)
        if connection is not None:
            connection.release(int(order))

    def _keep_session(self, operation: InboxOperation, entry: str) -> None:
        if operation.target in self.connections:
            self.sessions[operation.target] = operation.value

    def _end(self, operation: InboxOperation, entry: str) -> None:
        channel = operation.target
        self.forget_end(channel)
        self.ended.add(channel)
        connection = self.connections.get(channel)
        if connection is not None:
            connection.end_told()

    def _move(self, operation: InboxOperation, entry: str) -> None:
        channel = operation.target
        self.ended.add(channel)  # the layer has noted that it moved
        if self.kept.move(operation):
            self._left += self.detach(channel)
            self.forget_end(channel)
            self.unsure.discard(channel)
            self.kept.moved(channel)

    def _take_over(self, operation: InboxOperation, entry: str) -> None:
        self.kept.take_over(operation)

    def _note_flush(self, operation: InboxOperation, entry: str) -> None:
        self.was_flushed = True
        if operation.target == self.id:
            self.leave_all()

    def _departures(self, groups: Iterable[str]) -> list[Departure]:
        # Only after a whole entry: all joins of an entry have the id of the entry.
        departures = []
        for group in groups:
            if not self.groups.get(group):
                self.groups.pop(group, None)
                self.positions.pop(group, None)
                if group in self.last_join:
                    departures.append(Departure(group, self.last_join.pop(group)))
        return departures


def _read_position(value: bytes) -> tuple[Position, bytes]:
    """Return the position and the rest of ``<epoch>:<offset>:<rest>``, or raise MessageError."""
    found = is_positioned(value)
    if found is None:
        raise MessageError("It has no position.")
    return Position(found[1].decode(), int(found[2])), found[3]


GROUP_CHANGES = (InboxKind.JOIN, InboxKind.LEAVE, InboxKind.RESUME)
