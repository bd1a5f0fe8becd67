"""What one interface server knows of its own channels and groups; no I/O."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from channels_workers.exceptions import MessageError
from channels_workers.layers.aside import Aside
from channels_workers.layers.codec import Codec, Content
from channels_workers.layers.mailboxes import Mailbox
from channels_workers.layers.types import (
    Held,
    InboxEntry,
    InboxOperation,
    Receiver,
    Unreadable,
    new_id,
)
from channels_workers.logs import fields

logger = logging.getLogger(__name__)


#: What stands for the entry of the last join of a server that was registered again.
RESTORED = "restored"

#: How many of the unreadable fields that came at once are kept for the layer, the newest.
KEPT_UNREADABLE = 20

CURE = (
    "The rest of the inbox goes on. Somebody else writes to these keys, or processes of another "
    "release or with other `symmetric_encryption_keys` do; see `manage.py deadletters aside`."
)


class Departure(NamedTuple):
    """A group that has no member on this server any more.

    *entry* is the inbox entry of the last join processed: the layer removes the server only
    if no later join is on its way.
    """

    group: str
    entry: str


class Server:
    """The receivers of one server, and which of them are in which group.

    Operations come in the order of the inbox. It lives in one event loop.
    """

    def __init__(self, codec: Codec) -> None:
        self.id = new_id()
        self.codec = codec
        self.receivers: dict[str, Receiver] = {}
        self.groups: dict[str, dict[str, Receiver]] = {}
        self.groups_of: dict[str, set[str]] = {}
        self.last_join: dict[str, str] = {}
        #: The last session of each connection, and connections whose disconnect is not finished.
        self.sessions: dict[str, bytes] = {}
        self.ending: dict[str, Held] = {}
        #: Those of which the layer knew nothing when it was told of their end.
        self.unsure: set[str] = set()
        self.position = ""  # id of the last inbox entry that was processed
        #: What came for this server and cannot be read, and of it what the layer may keep.
        self.aside = Aside(logger, CURE)
        self._unreadable: deque[Unreadable] = deque(maxlen=KEPT_UNREADABLE)

    def attach(self, receiver: Receiver) -> str:
        """Return a new reply channel for *receiver*."""
        channel = f"{self.id}!{new_id()}"
        self.receivers[channel] = receiver
        self.groups_of[channel] = set()
        return channel

    def wake_mailboxes(self) -> None:
        """Let all that wait for a message look again; callable from any thread."""
        for receiver in list(self.receivers.values()):
            if isinstance(receiver, Mailbox):
                receiver.wake_all()

    def leave_groups(self, channel: str) -> list[Departure]:
        """Take *channel* out of its groups for good; return the groups left empty."""
        groups = self.groups_of.pop(channel, set())
        for group in groups:
            self.groups[group].pop(channel, None)
        return self._departures(groups)

    def detach(self, channel: str) -> list[Departure]:
        """Forget *channel*; return the groups left empty."""
        self.receivers.pop(channel, None)
        if channel not in self.ending:
            self.sessions.pop(channel, None)
        return self.leave_groups(channel)

    def end(self, channel: str, code: int) -> bool:
        """Remember a connection that ends with *code*, until its disconnect is finished.

        False if the layer never heard of it.
        """
        receiver = self.receivers.get(channel)
        held = receiver.held() if receiver else None
        if held is not None:
            self.ending[channel] = held._replace(code=code)
        return channel in self.ending

    def forget_ends(self, channels: Iterable[str]) -> None:
        """Forget connections that have ended."""
        for channel in channels:
            self.forget_end(channel)

    def forget_end(self, channel: str) -> None:
        """Forget a connection that has ended."""
        self.ending.pop(channel, None)
        self.sessions.pop(channel, None)

    def process(self, entry: InboxEntry) -> list[Departure]:
        """Carry out one inbox entry; return the groups that are empty after all of it."""
        touched: set[str] = set()
        for found in entry.unreadable:
            self._set_aside(found)
        for operation in entry.operations:
            if operation.kind in "jl":
                touched.add(operation.target)
            try:
                self._carry_out(operation, entry.id)
            except (MessageError, UnicodeDecodeError) as error:
                where = f"Operation {operation.kind}{operation.target} of inbox entry {entry.id}"
                self._set_aside(Unreadable(where, str(error), operation.value))
            except Exception:  # one operation's trouble must not stop the inbox
                extra = fields("inbox_failed", process_id=self.id)
                text = "Operation %s on %s failed"
                logger.exception(text, operation.kind, operation.target, extra=extra)
        self.position = entry.id
        return self._departures(touched)

    def _set_aside(self, found: Unreadable) -> None:
        self.aside.add(found, fields("unreadable", process_id=self.id))
        self._unreadable.append(found)

    def take_unreadable(self) -> list[Unreadable]:
        """Return the newest of what could not be read since the last call."""
        found = list(self._unreadable)
        self._unreadable.clear()
        return found

    def forget_all(self) -> None:
        """Forget every channel: the layer does not know this server any more."""
        self.wake_mailboxes()
        for known in (self.receivers, self.groups, self.groups_of, self.last_join):
            known.clear()
        self.sessions.clear()
        self.ending.clear()

    def leave_all(self) -> None:
        """Take every channel out of its groups; they may join again."""
        self.groups.clear()
        self.last_join.clear()
        for groups in self.groups_of.values():
            groups.clear()

    def restored(self) -> None:
        """Note that the layer, which had lost its data, knows all of this again."""
        self.position = ""
        self.last_join = dict.fromkeys(self.groups, RESTORED)

    def _carry_out(self, operation: InboxOperation, entry: str) -> None:
        kind, target, value = operation
        if kind in "jl":
            self._change_group(kind, target, value.decode(), entry)
        elif kind in "gs":
            self._send(operation)
        elif kind == "r":
            self._release(operation)
        elif kind == "k" and target in self.receivers:
            self.sessions[target] = value
        elif kind in "ef":
            self._forget(operation)
        elif kind != "k":
            raise MessageError(f"This release knows no operation {kind!r}.")

    def _change_group(self, kind: str, group: str, channel: str, entry: str) -> None:
        if kind == "j":
            self.last_join[group] = entry
            self._join(group, channel)
        else:
            self._leave(group, channel)

    def _forget(self, operation: InboxOperation) -> None:
        if operation.kind == "e":
            self.forget_end(operation.target)
        elif operation.target == self.id:
            self.leave_all()

    def _send(self, operation: InboxOperation) -> None:
        if operation.kind == "s":
            self._send_one(operation)
            return
        members = self.groups.get(operation.target)
        if not members:
            return
        content = self.codec.decode(operation.value)
        for channel, receiver in list(members.items()):
            self._deliver(channel, receiver, content)

    def _send_one(self, operation: InboxOperation) -> None:
        receiver = self.receivers.get(operation.target)
        if receiver is not None:
            self._deliver(operation.target, receiver, self.codec.decode(operation.value))

    def _deliver(self, channel: str, receiver: Receiver, content: Content) -> None:
        try:
            receiver.deliver(content)
        except Exception:  # one channel's trouble must not reach the others
            extra = fields("delivery_failed", connection=channel)
            logger.exception("Delivering to %s failed", channel, extra=extra)

    def _release(self, operation: InboxOperation) -> None:
        receiver = self.receivers.get(operation.target)
        if receiver is not None:
            receiver.release(_read_order(operation.value))

    def _join(self, group: str, channel: str) -> None:
        if channel in self.groups_of:  # else it has closed meanwhile
            self.groups_of[channel].add(group)
            self.groups.setdefault(group, {})[channel] = self.receivers[channel]

    def _leave(self, group: str, channel: str) -> None:
        self.groups.get(group, {}).pop(channel, None)
        self.groups_of.get(channel, set()).discard(group)

    def _departures(self, groups: Iterable[str]) -> list[Departure]:
        # Asked only after a whole entry: all joins of an entry have the entry's id.
        departures = []
        for group in groups:
            if not self.groups.get(group):
                self.groups.pop(group, None)
                if group in self.last_join:
                    departures.append(Departure(group, self.last_join.pop(group)))
        return departures


def _read_order(value: bytes) -> int:
    if not value.isdigit() or len(value) > 15:
        raise MessageError("It is to release the message of an order that is no number.")
    return int(value)
