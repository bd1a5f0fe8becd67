"""The words of the contract: messages handed out, what is done with them, what was found."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from channels_workers.layers.codec import Content

CONNECT = "websocket.connect"
RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"

#: What refuses a handshake that nobody has answered; an open socket does nothing.
REFUSAL: Content = {"accept": False}


class Send(NamedTuple):
    """Send *payload* to a channel: a reply channel, or one that workers listen to."""

    channel: str
    payload: bytes


class GroupSend(NamedTuple):
    """Send *payload* to each channel of a group."""

    group: str
    payload: bytes


class Join(NamedTuple):
    """Add a channel to a group."""

    group: str
    channel: str


class Leave(NamedTuple):
    """Remove a channel from a group."""

    group: str
    channel: str


Operation = Send | GroupSend | Join | Leave


class InboxOperation(NamedTuple):
    """One thing for an interface server to do.

    *kind*: ``s`` send to channel *target*, ``g`` send to group *target*, ``j`` and ``l`` let
    the channel in *value* join and leave group *target*, ``r`` release channel *target*, whose
    message of the order in *value* is finished, ``k`` keep the session of channel *target*, should
    the layer lose it, ``e`` end channel *target*, whose disconnect is finished, ``f`` know of a
    flush by server *target*, which has left its groups.
    """

    kind: str
    target: str
    value: bytes


class Unreadable(NamedTuple):
    """Something that cannot be read: *where* it stood, *why* it cannot, and its *value*."""

    where: str
    why: str
    value: bytes = b""


class InboxEntry(NamedTuple):
    """What one commit left for one server; *id* grows."""

    id: str
    operations: Sequence[InboxOperation]
    unreadable: Sequence[Unreadable] = ()


class Session(NamedTuple):
    """The channel session of a connection, to be saved by a commit."""

    reply_channel: str
    payload: bytes


class Delivery(NamedTuple):
    """One message handed to one worker, with the token that commits it.

    *token* and *consumer* say which handing-out this is; *id* stays the same when the message
    is handed out again. *reply_channel* is set when a connection waits for this delivery.
    *attempts* counts earlier runs that asked for a later one, *deaths* those whose worker died,
    *failures* those that failed through no fault of the consumer.
    """

    channel: str
    token: str
    consumer: str
    id: str
    payload: bytes
    reply_channel: str | None = None
    order: int = 0
    code: int | None = None
    session: bytes | None = None
    attempts: int = 0
    deaths: int = 0
    failures: int = 0


class Finished(NamedTuple):
    """A delivery whose consumer has run, with what it did to the layer."""

    delivery: Delivery
    operations: Sequence[Operation] = ()
    session: Session | None = None


class ProcessInfo(NamedTuple):
    """What is known of a process: *kind* is ``server`` or ``worker``, *since* a Unix time (s).

    A worker has *threads*, and *channels* that it listens to. *previous_ids* are the ids it had
    before, under which it may still hold messages.
    """

    kind: str
    host: str
    pid: int
    since: float
    threads: int = 0
    channels: tuple[str, ...] = ()
    previous_ids: tuple[str, ...] = ()

    @classmethod
    def this(cls, kind: str, threads: int = 0, channels: Sequence[str] = ()) -> ProcessInfo:
        """Return what is known of the process that asks."""
        now = round(time.time(), 3)
        return cls(kind, socket.gethostname(), os.getpid(), now, threads, tuple(channels))


class DeadLetter(NamedTuple):
    """A message that was given up: *reason* says why, *id* names it among the dead letters.

    Of one that *is_unreadable* the message has its payload alone, if it has one; it cannot be sent
    again.
    """

    id: str
    reason: str
    message: Delivery
    is_unreadable: bool = False


class GivenUp(NamedTuple):
    """A message that has just become a dead letter."""

    channel: str
    message_id: str


class UnderWay(NamedTuple):
    """A message of a connection that no worker has finished."""

    channel: str
    payload: bytes


class Held(NamedTuple):
    """What a server keeps of a connection, to tell a layer that has lost its data.

    *order* is that of the message under way, or of the last one; *code* is set once it ends.
    """

    order: int
    disconnect_payload: bytes
    under_way: UnderWay | None = None
    code: int | None = None


class Liveness(Enum):
    """What :meth:`~channels_workers.layers.base.WorkerLayer.heartbeat` found."""

    ALIVE = "alive"
    EVICTED = "evicted"
    LOST = "lost"


class Published(Enum):
    """What :meth:`~channels_workers.layers.base.WorkerLayer.publish` found."""

    PUBLISHED = "published"
    REPEATED = "repeated"
    GONE = "gone"


class Closed(Enum):
    """What :meth:`~channels_workers.layers.base.WorkerLayer.close` found."""

    PUBLISHED = "published"
    CLOSING = "closing"
    WITHDRAWN = "withdrawn"
    REPEATED = "repeated"
    GONE = "gone"


class Committed(Enum):
    """What :meth:`~channels_workers.layers.base.WorkerLayer.commit`, and a requeue, found."""

    DONE = "done"
    STALE = "stale"
    GONE = "gone"


class Receiver(Protocol):
    """What an interface server attaches to a reply channel; called in its event loop."""

    def deliver(self, content: Content) -> None:
        """Take a message sent to the channel, or to a group that it is in."""

    def release(self, order: int) -> None:
        """Note that the message *order* of this connection is finished."""

    def evicted(self) -> None:
        """Note that the layer does not know this connection any more."""

    def held(self) -> Held | None:
        """Return what the layer is to know of this connection; None if it is none."""


def server_of(channel: str) -> str | None:
    """Return the server id of a reply channel, None for an ordinary channel."""
    server, mark, _ = channel.partition("!")
    return server if mark else None


def new_id() -> str:
    """Return a new id for a process, a connection or a message: 64 random bits."""
    return secrets.token_hex(8)
