"""What one interface server knows of its own channels and groups; no I/O."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from channels_workers.layers.codec import Codec, Content
from channels_workers.layers.operations import (
    Held,
    InboxEntry,
    InboxOperation,
    Receiver,
    new_id,
)
from channels_workers.logs import fields

logger = logging.getLogger(__name__)


#: What stands for the entry of the last join of a server that was registered again.
RESTORED = "restored"


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
        for operation in entry.operations:
            if operation.kind in "jl":
                touched.add(operation.target)
            try:
                self._carry_out(operation, entry.id)
            except Exception:  # one operation's trouble must not stop the inbox
                text, extra = (
                    "Operation %s on %s failed",
                    fields("inbox_failed", process_id=self.id),
                )
                logger.exception(text, operation.kind, operation.target, extra=extra)
        self.position = entry.id
        return self._departures(touched)

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
        elif kind == "g":
            self._send_group(operation)
        elif kind == "s":
            self._send(operation)
        elif kind == "r":
            self._release(operation)
        elif kind == "k" and target in self.receivers:
            self.sessions[target] = value
        elif kind == "e":
            self.forget_end(target)

    def _change_group(self, kind: str, group: str, channel: str, entry: str) -> None:
        if kind == "j":
            self.last_join[group] = entry
            self._join(group, channel)
        else:
            self._leave(group, channel)

    def _send_group(self, operation: InboxOperation) -> None:
        members = self.groups.get(operation.target)
        if not members:
            return
        content = self.codec.decode(operation.value)
        for channel, receiver in list(members.items()):
            self._deliver(channel, receiver, content)

    def _send(self, operation: InboxOperation) -> None:
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
            receiver.release(int(operation.value))

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


class ChannelName(str):
    """The name of a mailbox; when nobody holds this object any more, *end* is called with it.

    A class-based consumer holds it as ``channel_name`` and does not say when it has ended.
    *end* is called by the garbage collector, so in any thread.
    """

    @classmethod
    def of(cls, channel: str, end: Callable[[str], object]) -> ChannelName:
        """Return the name to give out."""
        name = cls(channel)
        weakref.finalize(name, end, str(channel)).atexit = False
        return name


class Mailbox:
    """A receiver that keeps what it gets until somebody asks: the channels of Channels 4.

    Bounded by *capacity*; what comes beyond it is dropped and logged, as the reader has
    stopped reading. It may be read from any event loop.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._messages: deque[Content] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    def deliver(self, content: Content) -> None:
        """Keep a message; a 1.x message, which has no type, gets ``websocket.send``."""
        with self._lock:
            if len(self._messages) >= self.capacity:
                text = "A channel reads nothing: more than %d messages"
                logger.warning(text, self.capacity, extra=fields("channel_full"))
                return
            self._messages.append({"type": "websocket.send", **content})
        self._wake_one()

    def release(self, order: int) -> None:
        """Do nothing: no message of a worker waits for this channel."""

    def lose(self) -> None:
        """Do nothing: there is no connection record to lose."""

    def held(self) -> None:
        """Return None: there is no connection record."""

    async def receive(self) -> Content | None:
        """Wait for the next message; None after :meth:`wake_all`. Cancelling it loses none."""
        with self._lock:
            if self._messages:
                return self._messages.popleft()
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            self._give_up(future)
            raise
        with self._lock:
            return self._messages.popleft() if self._messages else None

    def wake_all(self) -> None:
        """Let all that wait look again."""
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        for future in waiting:
            _call_soon(future.get_loop(), _wake, future)

    def _give_up(self, future: asyncio.Future[None]) -> None:
        with self._lock:
            if future in self._waiting:
                self._waiting.remove(future)
                return
        self._wake_one()  # this one had been woken for a message that another may take

    def _wake_one(self) -> None:
        while True:
            with self._lock:
                if not self._messages or not self._waiting:
                    return
                future = self._waiting.popleft()
            if _call_soon(future.get_loop(), _wake, future):
                return


def _call_soon(
    loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object
) -> bool:
    if loop.is_closed():
        return False
    loop.call_soon_threadsafe(function, *arguments)
    return True


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
