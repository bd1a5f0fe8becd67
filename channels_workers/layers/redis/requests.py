"""The requests of the Redis layer and the meaning of their replies; no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from channels_workers.exceptions import ChannelFull, MessageError, ServerEvicted
from channels_workers.layers.redis.scripts import script
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    Committed,
    DeadLetter,
    Delivery,
    Finished,
    GroupSend,
    Held,
    InboxEntry,
    InboxOperation,
    Join,
    Leave,
    Operation,
    ProcessInfo,
    Published,
    Send,
    Unreadable,
    server_of,
)

#: The consumer group of each channel's stream.
GROUP = "workers"

#: A message has no more names and values of fields than this; ``keys.lua`` knows it.
MOST_FIELDS = 64

#: What scripts mean, by what they reply.
COMMITTED = {each.value.encode(): each for each in Committed}
PUBLISHED = {each.value.encode(): each for each in Published}

#: What the reason of a dead letter says that was given up unread, maybe in ``clean_up.lua``.
UNREADABLE = "it is unreadable"

#: A number that stands in a field: no longer than what is counted here ever gets.
is_number = re.compile(rb"-?[0-9]{1,15}").fullmatch

#: What stands for the counter of a process that is no number; ``mark_dead.lua`` knows it.
NO_COUNTER = -1

Argument = str | bytes | int
Arguments = list[Argument]


class Request(NamedTuple):
    """One call of a script.

    *repeatable*: it may be sent again when its reply got lost, and does nothing twice.
    *ordered*: those that stood before it must be done before it.
    *in_epoch*: the epoch that the server knows is its last argument, added when it is written.
    *read* makes the result of the reply, or raises.
    """

    script: str
    arguments: Arguments
    repeatable: bool = True
    ordered: bool = True
    in_epoch: bool = False
    read: Callable[[Any], Any] = lambda reply: reply


def evaluate(prefix: str, request: Request, arguments: Arguments, run: str) -> Sequence[Argument]:
    """Return the command that runs a script which Redis knows; ``epoch.lua`` explains *run*.

    *run* is the run of the Redis that the command's connection leads to, "?" if that may not be
    asked, or "".
    """
    keys = (2, prefix, f"{prefix}run:{run}") if run else (1, prefix)
    return ("EVALSHA", script(request.script).sha, *keys, *arguments)


def teach(names: Iterable[str]) -> Iterator[tuple[Argument, ...]]:
    """Return the commands after which Redis knows the scripts *names*."""
    for name in names:
        yield ("SCRIPT", "LOAD", script(name).source)


def encode_operations(
    operations: Sequence[Operation], capacity_of: Callable[[str], int]
) -> Arguments:
    """Return *operations* as the arguments that ``outbox.lua`` reads, four each."""
    arguments: Arguments = []
    for operation in operations:
        match operation:
            case Send(channel, payload):
                arguments += ("s", channel, payload, capacity_of(channel))
            case GroupSend(group, payload):
                arguments += ("g", group, payload, capacity_of(""))
            case Join(group, channel):
                arguments += ("j", group, channel, 0)
            case Leave(group, channel):
                arguments += ("l", group, channel, 0)
    return arguments


def commit(
    finished: Finished,
    capacity_of: Callable[[str], int],
) -> Request:
    """Return the request that commits what is *finished*."""
    delivery, operations, session = finished
    arguments: Arguments = [
        delivery.channel,
        delivery.token,
        delivery.consumer,
        delivery.id,
        delivery.reply_channel or "",
        delivery.order,
        session.reply_channel if session else "",
        session.payload if session else b"",
    ]
    return Request("commit", arguments + encode_operations(operations, capacity_of))


def publish(message: Arguments) -> Request:
    """Return the request that puts *message*, the arguments of ``publish.lua``, into a channel."""
    return Request("publish", message, in_epoch=True, read=read_published)


def connected(reply_channels: Iterable[str], size: int) -> Iterator[Request]:
    """Return the requests for which of *reply_channels* live: *size* of a server in each."""
    known: dict[str, list[Argument]] = {}
    for reply in set(reply_channels):
        if (server := server_of(reply)) is not None:
            known.setdefault(server, []).append(reply)
    for server, replies in known.items():
        for at in range(0, len(replies), size):
            yield Request("connected", [server, *replies[at : at + size]])


class Connection(NamedTuple):
    """A connection to be restored; *session* is empty if it has none."""

    reply_channel: str
    held: Held
    session: bytes


def connections_of(server: Server) -> Iterator[Connection]:
    """Return what *server* holds of its connections, those that end too."""
    held = {channel: receiver.held() for channel, receiver in server.receivers.items()}
    for channel, found in {**held, **server.ending}.items():
        if found is not None:
            yield Connection(channel, found, server.sessions.get(channel, b""))


def keep_aside(process: str, found: Iterable[Unreadable]) -> Request:
    """Return the request to keep a note of what *process* could not read."""
    notes: Arguments = [process]
    for where, _, value in found:
        notes += (where, value[:1000])
    return Request("set_aside", notes, repeatable=False, ordered=False)


def read_note(fields: Sequence[bytes]) -> Unreadable:
    """Return what an entry of the stream of notes holds."""
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    where = values.get(b"what", b"").decode("utf-8", "backslashreplace")
    return Unreadable(where, "", values.get(b"value", b""))


def restore(server: Server, epoch: str, about: ProcessInfo, size: int) -> Iterator[Request]:
    """Return the requests that register *server* again, with *size* connections in each."""
    connections = list(connections_of(server))
    for at in range(0, max(1, len(connections)), size):
        first, last = at == 0, at + size >= len(connections)
        arguments: Arguments = [server.id, epoch, json.dumps(about._asdict())]
        arguments += ("first" if first else "", "last" if last else "")
        arguments.append(" ".join(server.groups) if first else "")
        for reply, held, session in connections[at : at + size]:
            channel, payload = held.under_way or ("", b"")
            arguments += (reply, held.order, channel, payload, held.disconnect_payload)
            arguments += (session, "" if held.code is None else held.code)
        yield Request("restore", arguments)


def republish(server: Server, size: int) -> Iterator[Request]:
    """Return the requests to publish again what of *server* is under way, and was flushed."""
    waiting = [each for each in connections_of(server) if each.held.under_way or each.held.code]
    for at in range(0, len(waiting), size):
        arguments: Arguments = []
        for reply, held, _ in waiting[at : at + size]:
            channel, payload = held.under_way or ("", b"")
            arguments += (reply, held.order, channel, payload)
        yield Request("republish", arguments)


def read_full(reply: str, capacity_of: Callable[[str], int]) -> None:
    """Raise :class:`ChannelFull` if *reply* names a full channel."""
    if reply.startswith("full "):
        channel = reply.removeprefix("full ")
        raise ChannelFull(channel, capacity_of(channel))


def read_committed(reply: bytes, capacity_of: Callable[[str], int]) -> Committed:
    """Return what ``commit.lua`` says, or raise :class:`ChannelFull`."""
    if (committed := COMMITTED.get(reply)) is None:
        read_full(reply.decode(), capacity_of)
        raise RuntimeError(reply.decode())
    return committed


def read_published(reply: bytes) -> Published:
    """Return what ``publish.lua`` says, or raise :class:`ServerEvicted`, or RuntimeError."""
    if (published := PUBLISHED.get(reply)) is not None:
        return published
    if reply == b"evicted":
        raise ServerEvicted("The layer has no registration of this server.")
    raise RuntimeError(reply.decode())


class Read(NamedTuple):
    """What a reply of XREADGROUP holds; *unreadable* as channel, entry and what is wrong."""

    deliveries: list[Delivery]
    unreadable: list[tuple[str, str, MessageError]]


def read_name(name: bytes) -> str:
    """Return the name of a process; :func:`written_name` makes the same bytes of it."""
    return name.decode("utf-8", "surrogateescape")


def written_name(process: str) -> bytes:
    """Return the bytes of a name that :func:`read_name` gave."""
    return process.encode("utf-8", "surrogateescape")


def read_counters(reply: Sequence[bytes]) -> dict[str, int]:
    """Return the heartbeat counters in *reply*: process id, counter, process id, counter ..."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return {
        read_name(process): int(counter) if is_number(counter) else NO_COUNTER
        for process, counter in pairs
    }


def read_streams(reply: Any, prefix: str, consumer: str) -> Read:
    """Read a reply of XREADGROUP, each entry for itself; *prefix* is that of the streams' keys."""
    read = Read([], [])
    for key, entries in reply or ():
        channel = key.decode().removeprefix(prefix)
        for token, fields in entries:
            if fields is None:  # the entry was deleted meanwhile
                continue
            try:
                read.deliveries.append(read_delivery(channel, token.decode(), fields, consumer))
            except MessageError as error:
                read.unreadable.append((channel, token.decode(), error))
    return read


def read_delivery(channel: str, token: str, fields: Sequence[bytes], consumer: str) -> Delivery:
    """Return the delivery that a stream entry holds."""
    if len(fields) > MOST_FIELDS:
        raise MessageError(f"Entry {token} of channel {channel} has {len(fields) // 2} fields.")
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    try:
        return Delivery(
            channel=channel,
            token=token,
            consumer=consumer,
            id=values[b"id"].decode(),
            payload=values[b"payload"],
            reply_channel=_read_reply(values.get(b"reply")),
            order=_read_number(values.get(b"order")) or 0,
            code=_read_number(values.get(b"code")),
            session=values.get(b"session"),
            attempts=_read_number(values.get(b"attempts")) or 0,
            deaths=_read_number(values.get(b"deaths")) or 0,
            failures=_read_number(values.get(b"failures")) or 0,
        )
    except KeyError as error:
        raise MessageError(f"Entry {token} of channel {channel} has no {error}.") from error
    except ValueError:  # its text has the value, which anybody may have said
        text = f"Entry {token} of channel {channel} has a number, or a name, that cannot be read."
        raise MessageError(text) from None


def _read_reply(value: bytes | None) -> str | None:
    if not value:
        return None
    reply = value.decode()
    if not server_of(reply):
        raise ValueError("a reply channel without a server")
    return reply


def _read_number(value: bytes | None) -> int | None:
    if not value:
        return None
    if not is_number(value):
        raise ValueError("no number")
    return int(value)


def read_dead_letter(entry: bytes, fields: Sequence[bytes]) -> DeadLetter:
    """Return the dead letter that an entry holds: channel and reason, then the message.

    One that nobody can read is a letter too, of what can be read of it.
    """
    letter, values = entry.decode(), dict(zip(fields[::2], fields[1::2], strict=True))
    channel, reason = (
        values.get(name, b"").decode("utf-8", "backslashreplace")
        for name in (b"channel", b"reason")
    )
    try:
        message = read_delivery(channel, letter, fields[4:], "")
        return DeadLetter(letter, reason, message, is_unreadable=UNREADABLE in reason)
    except MessageError:
        name = values.get(b"id", b"").decode("utf-8", "backslashreplace")
        rest = Delivery(channel, letter, "", name, values.get(b"payload", b""))
        return DeadLetter(letter, reason or UNREADABLE, rest, is_unreadable=True)


def read_inbox(reply: Any) -> list[InboxEntry]:
    """Return the entries in a reply of XREAD on an inbox, each field read for itself."""
    return [
        _read_entry(token.decode(), fields)
        for _, entries in reply or ()
        for token, fields in entries
    ]


def _read_entry(token: str, fields: Sequence[bytes]) -> InboxEntry:
    operations, unreadable = [], []
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        try:
            text = name.decode()
            operations.append(InboxOperation(text[0], text[1:], value))
        except (UnicodeDecodeError, IndexError):
            where = f"Field {name[:100]!r} of inbox entry {token}"
            unreadable.append(Unreadable(where, "It names no operation.", value))
    return InboxEntry(token, operations, unreadable)


def as_it_is(response: Any, **kwargs: Any) -> Any:
    """Take a response as it comes: redis-py's dicts lose the repeated fields of a stream entry."""
    return response
