"""The vocabulary of the layer contract: operations, deliveries, connections and results."""

from __future__ import annotations

import os
import platform
import re
import secrets
import socket
import sys
import time
from collections.abc import Sequence
from enum import Enum, StrEnum
from functools import cache
from importlib import metadata
from typing import NamedTuple, Protocol

from channels_workers.layers.codec import Content
from channels_workers.layers.history import Limits, Position

CONNECT = "websocket.connect"
RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"

#: A client is back on its connection. Workers listen to it if ``RESUME_TIME`` is set.
RESUME = "websocket.resume"

REQUEST = "http.request"
REQUEST_DISCONNECT = "http.disconnect"

#: The channel of delayed messages in 1.x. Its capacity limits how many are delayed at once.
DELAY = "asgi.delay"

#: The beginning of the channels of Django's tasks. The queue follows, and perhaps the priority.
TASKS = "tasks."

#: The longest delay of a message (s): a year.
LONGEST_DELAY = 365 * 24 * 3600

#: How many due messages are sent in one step, and how long a due message waits for another attempt
#: if its channel is full (s).
DUE_AT_ONCE, FULL_PAUSE = 100, 1.0

#: The feature of a server that takes positions; ``lib/outbox.lua`` has the same word.
POSITIONS = "positions"

#: The feature of a process that knows kept connections; ``adopt.lua`` has the same word.
RESUMES = "resumes"

_is_id = re.compile(r"(?:[a-z0-9]{1,8}-)?[0-9a-f]{16}").fullmatch

#: The keys of which a reply to a socket must have one.
REPLY_KEYS = frozenset(("accept", "text", "bytes", "close", "expires"))

#: The message that refuses an unanswered handshake; an open socket ignores it.
REFUSAL: Content = {"accept": False}

#: The message that answers a request which no worker will finish.
REQUEST_REFUSAL: Content = {
    "status": 502,
    "headers": [[b"Content-Type", b"text/plain"]],
    "content": b"No worker finished this request.\n",
}


class Refusals(NamedTuple):
    """The encoded refusals: of a handshake, and of a request."""

    handshake: bytes
    request: bytes


#: Why a request that must not run twice becomes a dead letter.
RUNS_ONCE = "its worker died, and a request that is not safe runs once"
STOPPED = "it did not finish before its worker stopped, and a request that is not safe runs once"


#: The statistics of a layer, named as in 1.x.
Statistics = dict[str, int | float]


class ReplyKind(StrEnum):
    """The kinds of connections, as they are written in their reply channels.

    ======  ===============================  ==========================================
    SOCKET  ``<server>!<random>``              a WebSocket
    KEPT    ``<server>!kept.<time>.<random>``  a WebSocket that the layer keeps for so long (s)
                                             after its client was lost
    SAFE    ``<server>!safe.<random>``         a request that may run again: GET, HEAD, OPTIONS,
                                             TRACE
    ONCE    ``<server>!once.<random>``         a request that must not run twice
    ======  ===============================  ==========================================

    A kept connection may move to another server, and keeps its name.
    """

    SOCKET = ""
    KEPT = "kept."
    SAFE = "safe."
    ONCE = "once."


#: The kinds of requests.
REQUEST_KINDS = (ReplyKind.SAFE, ReplyKind.ONCE)

#: A reply channel is that of a kept connection if it has this text; ``lib/keys.lua`` has it, too.
KEPT_MARK = f"!{ReplyKind.KEPT}"


class Send(NamedTuple):
    """Send *payload*, encoded content, to a reply channel or an ordinary channel."""

    channel: str
    payload: bytes


class GroupSend(NamedTuple):
    """Send *payload*, encoded content, to each channel of a group."""

    group: str
    payload: bytes


class SendLater(NamedTuple):
    """Send *payload* to *channel* after *delay* seconds, as the message with the id *id*."""

    channel: str
    payload: bytes
    delay: float
    id: str


class Join(NamedTuple):
    """Add a channel, also an ordinary one, to a group."""

    group: str
    channel: str


class Leave(NamedTuple):
    """Remove a channel from a group."""

    group: str
    channel: str


class Resume(NamedTuple):
    """Add a reply channel to a group with history, and replay what it missed.

    *since* is the last position that it knows, None for live messages only. A text that is no
    position makes a gap.
    """

    group: str
    channel: str
    since: Position | str | None
    limits: Limits


#: What consumers do to a layer; a commit carries out several in one step.
Operation = Send | GroupSend | SendLater | Join | Leave


class InboxKind(StrEnum):
    """The kinds of :class:`InboxOperation`, as they are written in an inbox."""

    SEND = "s"
    GROUP_SEND = "g"
    JOIN = "j"
    LEAVE = "l"
    RELEASE = "r"
    KEEP_SESSION = "k"
    END = "e"
    FLUSHED = "f"
    #: Only in the inboxes of servers with the feature ``POSITIONS``.
    POSITIONED = "p"
    RESUME = "b"
    REPLAY = "y"
    #: Only in the inboxes of servers with the feature ``RESUMES``.
    MOVED = "m"
    HAND_OVER = "o"
    #: Only in layers with several shards.
    HEARD = "h"
    GAP = "x"


class InboxOperation(NamedTuple):
    """One operation for an interface server.

    ======================  =========================================================
    SEND, GROUP_SEND        send the payload *value* to the channel or group *target*
    JOIN, LEAVE             the channel in *value* joins or leaves the group *target*
    RELEASE                 the message of channel *target* with the order in *value* is finished
    KEEP_SESSION            keep the session *value* of channel *target*, should the layer lose it
    END                     the disconnect of channel *target* is finished, or its whole request
    FLUSHED                 the layer was flushed by server *target*, which has left its groups
    POSITIONED              as GROUP_SEND; *value* is ``<epoch>:<offset>:<payload>``
    RESUME                  as JOIN; *value* is ``<channel>:<epoch>:<offset>:<since>``: all messages
                            after the offset *since* reach the channel, up to *offset* as REPLAY
    REPLAY                  a message for channel *target* that it missed; *value* is
                            ``<group>:<epoch>:<offset>:<payload>``
    MOVED                   the kept connection *target* is at another server now; *value* is
                            ``<server>:<frames that its client has>``
    HAND_OVER               what the former server had for the kept connection *target*
    HEARD                   up to the next HEARD, operations are those of an entry in the log of the
                            shard *target*; *value* is ``<epoch>:<seq>`` of that entry
    GAP                     entries in the log of the shard *target* are lost: *value* names them,
                            as ``<epoch>:<first>-<last>``, or is ``?``
    ======================  =========================================================
    """

    kind: InboxKind
    target: str
    value: bytes


class Unreadable(NamedTuple):
    """Unreadable data: *where* it stood, *why* it is unreadable, and its *value*."""

    where: str
    why: str
    value: bytes = b""


class InboxEntry(NamedTuple):
    """The operations of one commit or more for one server, in order; *id* grows with each entry.

    *unreadable* has what the layer could not read of the entry.
    """

    id: str
    operations: Sequence[InboxOperation]
    unreadable: Sequence[Unreadable] = ()


class Session(NamedTuple):
    """The channel session of a connection, which a commit saves; *payload* is encoded content."""

    reply_channel: str
    payload: bytes


class Delivery(NamedTuple):
    """One message handed to one worker, with the token that commits it.

    *token* and *consumer* identify this delivery. *id* identifies the message, and stays the same
    when it is delivered again. *payload* is encoded content.

    *reply_channel* is set if a connection waits for this delivery. *order* then is that of the
    message in its connection, from 0 on, *session* is the payload of its saved session, and *code*
    is the close code of a disconnect.

    *attempts* counts earlier runs that asked to run later, *deaths* those whose worker died
    (the first one may have died before it began this message),
    *failures* those with a transient error.

    *position* is set on a message to an ordinary channel in a group with history. *shard* has the
    delivery, if the layer has several.
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
    position: str = ""
    shard: str = ""


class Finished(NamedTuple):
    """A delivery whose consumer has run, with its operations and session.

    The connection *ends* with the commit, without a disconnect: the operations have the rest of the
    response to a request. *trace* belongs to the tracing; layers ignore it.
    """

    delivery: Delivery
    operations: Sequence[Operation] = ()
    session: Session | None = None
    ends: bool = False
    trace: object = None


@cache
def versions() -> tuple[str, ...]:
    """Return the versions of what the engine runs on."""
    names = ("Django", "channels", "asgiref", "redis")
    return (
        f"Python {platform.python_version()}",
        *(f"{name} {metadata.version(name)}" for name in names),
    )


class Running(NamedTuple):
    """A message that the thread number *thread* of a worker runs, *since* then (Unix time, s)."""

    thread: int
    consumer: str
    since: float
    channel: str
    message_id: str
    connection: str | None = None


class ProcessInfo(NamedTuple):
    """What a process publishes about itself: *kind* is ``server`` or ``worker``.

    *since* is the Unix time of its start (s). A worker has *threads*, and *channels* that it
    listens to. It may still hold messages under its *previous_ids*.

    *release* is that of this package, *versions* are those below it.
    A worker has been *running* these messages for more than a second. *features* tell other
    releases what this process understands. *shards* are the names of those that it knows, none
    for one of a layer with a single one.
    """

    kind: str
    host: str
    pid: int
    since: float
    threads: int = 0
    channels: tuple[str, ...] = ()
    previous_ids: tuple[str, ...] = ()
    release: str = ""
    versions: tuple[str, ...] = ()
    running: tuple[Running, ...] = ()
    features: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()

    @classmethod
    def this(cls, kind: str, threads: int = 0, channels: Sequence[str] = ()) -> ProcessInfo:
        """Return the info of this process."""
        now = round(time.time(), 3)
        place = socket.gethostname(), os.getpid(), now
        release = sys.modules["channels_workers"].__version__  # the package imports this module
        about = cls(kind, *place, threads, tuple(channels), (), release, versions())
        features = (POSITIONS, RESUMES) if kind == "server" else (RESUMES,)
        return about._replace(features=features)


class DeadLetter(NamedTuple):
    """A message that was given up for *reason*; *id* names it among the dead letters.

    If it *is_unreadable*, the message has at most its payload, and cannot be sent again.
    """

    id: str
    reason: str
    message: Delivery
    is_unreadable: bool = False


class NewDeadLetter(NamedTuple):
    """A message that has just become a dead letter."""

    channel: str
    message_id: str


class DelayedMessage(NamedTuple):
    """A message that waits for its time; *payload* is encoded content.

    *due* is in seconds since 1970, by the clock of the layer. It is the time of the next attempt
    if the channel was full.
    """

    id: str
    channel: str
    due: float
    payload: bytes


class Due(NamedTuple):
    """The result of one step that sends due messages.

    *sent* counts them. *wait* is the time until the next one is due (s), None if there is none.
    *full* are the channels that were full: their messages stay. So many parked connections *ended*,
    as their clients did not come back.
    """

    sent: int
    wait: float | None
    full: tuple[str, ...] = ()
    ended: int = 0


class PendingMessage(NamedTuple):
    """A published message of a connection that no worker has finished."""

    channel: str
    payload: bytes


class ConnectionSnapshot(NamedTuple):
    """The state of a connection that restores its record after the layer lost its data.

    *order* is that of the pending message, or of the last one. *code* is set once it ends.
    """

    order: int
    disconnect_payload: bytes
    pending: PendingMessage | None = None
    code: int | None = None


class Liveness(Enum):
    """The result of :meth:`~channels_workers.layers.base.WorkerLayer.heartbeat`.

    ``EVICTED``: another process declared this one dead. ``LOST``: the layer lost its data.
    """

    ALIVE = "alive"
    EVICTED = "evicted"
    LOST = "lost"


class Published(Enum):
    """The result of :meth:`~channels_workers.layers.base.WorkerLayer.publish`.

    ``REPEATED``: the message was published before. ``GONE``: the connection has no record, or one
    that ends; its socket is to be closed. ``MOVED``: another server has the kept connection, and
    the call of its ``hand_over`` follows; nothing was published.
    """

    PUBLISHED = "published"
    REPEATED = "repeated"
    GONE = "gone"
    MOVED = "moved"


class Closed(Enum):
    """The result of :meth:`~channels_workers.layers.base.WorkerLayer.close`.

    ``PUBLISHED``: the disconnect is published. ``CLOSING``: it follows the pending message.
    ``WITHDRAWN``: no worker had taken the connect or the request, so there will be no disconnect.
    ``REPEATED``: it ends already. ``GONE``: it has no record.
    """

    PUBLISHED = "published"
    CLOSING = "closing"
    WITHDRAWN = "withdrawn"
    REPEATED = "repeated"
    GONE = "gone"


def may_be_refused(operations: Sequence[Operation]) -> bool:
    """Say whether a full channel may refuse one of *operations*.

    Reply channels, which have a ! in their names, are never full.
    """
    for each in operations:
        kind = type(each)
        if kind is SendLater or (kind is Send and "!" not in each[0]):
            return True
    return False


class Committed(Enum):
    """The result of a commit, of a requeue, and of a dead letter.

    ``STALE``: the consumer no longer holds the delivery, and nothing was done. ``GONE``: the
    connection has ended; the delivery was acknowledged, and nothing else done.
    """

    DONE = "done"
    STALE = "stale"
    GONE = "gone"


class Receiver(Protocol):
    """Receives the messages of a reply channel, in the event loop of its server."""

    def deliver(self, content: Content, to_group: bool = False) -> None:
        """Receive a message sent to the channel or, if *to_group*, to one of its groups."""


class Connection(Receiver, Protocol):
    """A receiver whose own messages go to workers, with a record in the layer."""

    def release(self, order: int) -> None:
        """Note that the message *order* of this connection is finished."""

    def evicted(self) -> None:
        """Note that the layer has dropped this connection, with its server."""

    def end_told(self) -> None:
        """Note that the layer has forgotten this connection: there will be no disconnect.

        That follows a commit that ends it, or a flush or a loss of data if :meth:`snapshot` returns
        None for a request. A request that has published nothing ignores it.
        """

    def snapshot(self) -> ConnectionSnapshot | None:
        """Return the state that restores the record.

        None before the first message, and if the layer must not restore it: its message then is
        not published again.
        """


def runs_once(delivery: Delivery) -> bool:
    """Say whether *delivery* is a request that must not run twice."""
    return delivery.channel == REQUEST and kind_of(delivery.reply_channel or "") is ReplyKind.ONCE


def server_of(channel: str) -> str | None:
    """Return the server id in a reply channel, None for an ordinary channel.

    A kept connection may have moved to another server: only the layer knows that.
    """
    server, mark, _ = channel.partition("!")
    return server if mark else None


def kind_of(reply_channel: str) -> ReplyKind:
    """Return the kind of a connection by the name of its reply channel."""
    name = reply_channel.partition("!")[2]
    for kind in (ReplyKind.SAFE, ReplyKind.ONCE, ReplyKind.KEPT):
        if name.startswith(kind):
            return kind
    return ReplyKind.SOCKET


def is_request(reply_channel: str) -> bool:
    """Say whether a reply channel is that of a request."""
    return kind_of(reply_channel) in REQUEST_KINDS


def first_channel(reply_channel: str) -> str:
    """Return the channel of the first message of a connection."""
    return REQUEST if is_request(reply_channel) else CONNECT


def last_channel(reply_channel: str) -> str:
    """Return the channel of the disconnect of a connection."""
    return REQUEST_DISCONNECT if is_request(reply_channel) else DISCONNECT


def is_from_server(channel: str) -> bool:
    """Say whether *channel* is named like the reply channels of interface servers.

    Tests make up other names, which are the channels of no connection.
    """
    server = server_of(channel)
    return server is not None and _is_id(server) is not None


def new_id() -> str:
    """Return a new id for a process, a connection or a message: 64 random bits."""
    return secrets.token_hex(8)
