"""The wire format of the Redis layer: what replies and stream entries mean; no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from channels_workers.exceptions import ChannelFull, MessageError, ServerEvicted
from channels_workers.layers.history import Joined, Position
from channels_workers.layers.types import (
    Committed,
    DeadLetter,
    DelayedMessage,
    Delivery,
    Due,
    InboxEntry,
    InboxKind,
    InboxOperation,
    Published,
    Unreadable,
)

#: The consumer group of each stream of a channel.
GROUP = "workers"

#: How many field names and values a message has at most; ``lib/keys.lua`` has the same number.
MOST_FIELDS = 64

#: The results of ``commit.lua``, by its replies.
COMMITTED = {each.value.encode(): each for each in Committed}

#: The kinds of inbox operations, as they are written.
INBOX_KINDS = {kind.value: kind for kind in InboxKind}

#: A part of the reason of each unreadable dead letter; ``clean_up.lua`` has the same words.
UNREADABLE = "it is unreadable"

#: The fields of a message that hold numbers, and where a delivery has them.
NUMBERS = {name.encode(): name for name in ("order", "code", "attempts", "deaths", "failures")}

#: Matches a number in a field. No counter of ours gets longer.
is_number = re.compile(rb"-?[0-9]{1,15}").fullmatch

#: Matches a delayed message: capacity, channel and payload; ``lib/delayed.lua`` has the form.
is_delayed = re.compile(rb"[0-9]+:([^:]+):(.*)", re.DOTALL).fullmatch

#: Matches the beginning of a reply channel: it has a server.
is_reply_channel = re.compile(rb"[^!]+!").match

#: The counter of a process whose counter is not a number; ``mark_dead.lua`` has the same number.
NO_COUNTER = -1


def read_full(reply: str, capacity_of: Callable[[str], int]) -> None:
    """Raise :class:`ChannelFull` if *reply* names a full channel."""
    if reply.startswith("full "):
        channel = reply.removeprefix("full ")
        raise ChannelFull(channel, capacity_of(channel))


def read_committed(reply: bytes, capacity_of: Callable[[str], int]) -> Committed:
    """Return a result of ``commit.lua``, or raise :class:`ChannelFull`."""
    if (committed := COMMITTED.get(reply)) is None:
        read_full(reply.decode(), capacity_of)
        raise RuntimeError(reply.decode())
    return committed


class PublishResults(dict[bytes, Published]):
    """The results of ``publish.lua``, by its replies."""

    def __missing__(self, reply: bytes) -> Published:
        """Raise :class:`ServerEvicted` or RuntimeError."""
        if reply == b"evicted":
            raise ServerEvicted("This server is not registered in the layer.")
        raise RuntimeError(reply.decode())


PUBLISHED = PublishResults((each.value.encode(), each) for each in Published)


def read_joined(reply: Sequence[Any]) -> Joined | None:
    """Return the result of ``resume.lua``, None if the delivery is stale."""
    if reply[0] != b"done":
        return None
    _, epoch, offset, is_gap, replayed = reply
    return Joined(Position(epoch.decode(), int(offset)), bool(is_gap), replayed)


def read_note(fields: Sequence[bytes]) -> Unreadable:
    """Return the note in an entry of the stream ``aside``."""
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    where = values.get(b"what", b"").decode("utf-8", "backslashreplace")
    return Unreadable(where, "", values.get(b"value", b""))


class Read(NamedTuple):
    """A reply of XREADGROUP; *unreadable* has channel, entry and error."""

    deliveries: list[Delivery]
    unreadable: list[tuple[str, str, MessageError]]


def read_name(name: bytes) -> str:
    """Return the id of a process; :func:`written_name` restores the bytes."""
    return name.decode("utf-8", "surrogateescape")


def written_name(process: str) -> bytes:
    """Return the bytes of an id of :func:`read_name`."""
    return process.encode("utf-8", "surrogateescape")


def read_counters(reply: Sequence[bytes]) -> dict[str, int]:
    """Return the heartbeat counters in *reply*: process id, counter, process id, counter ..."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return {
        read_name(process): int(counter) if is_number(counter) else NO_COUNTER
        for process, counter in pairs
    }


def read_streams(reply: Any, prefix: str, consumer: str) -> Read:
    """Read a reply of XREADGROUP, entry by entry; raise it if it is an error.

    *prefix* begins the keys of the streams.
    """
    if isinstance(reply, Exception):
        raise reply
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
    """Return the delivery in a stream entry, or raise :class:`MessageError`."""
    if len(fields) > MOST_FIELDS:
        raise MessageError(f"Entry {token} of channel {channel} has {len(fields) // 2} fields.")
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    numbers: dict[str, Any] = {}
    reply = values.get(b"reply")
    try:
        for name in NUMBERS.keys() & values.keys():
            if value := values[name]:
                if not is_number(value):
                    raise ValueError("no number")
                numbers[NUMBERS[name]] = int(value)
        if reply and not is_reply_channel(reply):
            raise ValueError("a reply channel without a server")
        return Delivery(
            channel,
            token,
            consumer,
            id=values[b"id"].decode(),
            payload=values[b"payload"],
            reply_channel=reply.decode() if reply else None,
            session=values.get(b"session"),
            position=values.get(b"position", b"").decode(),
            **numbers,
        )
    except KeyError as error:
        raise MessageError(f"Entry {token} of channel {channel} has no {error}.") from error
    except ValueError:  # its text has the value, which may be foreign
        text = f"Entry {token} of channel {channel} has an unreadable number or name."
        raise MessageError(text) from None


def read_dead_letter(entry: bytes, fields: Sequence[bytes]) -> DeadLetter:
    """Return the dead letter in an entry: channel and reason, then the message.

    An unreadable message becomes a dead letter of its readable parts.
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


def read_due(reply: Sequence[Any]) -> Due:
    """Return the result of ``send_due.lua``."""
    sent, ended, wait, *full = reply
    channels = (name.decode("utf-8", "backslashreplace") for name in full)
    return Due(sent, None if wait == b"" else wait / 1e6, tuple(channels), ended)


def read_delayed(reply: Sequence[Any]) -> list[DelayedMessage]:
    """Return the messages in a reply of ``read_delayed.lua``; a foreign one has no channel."""
    _, *values = reply
    return [
        _read_delayed(*values[at : at + 3])  # a message each
        for at in range(0, len(values), 3)
    ]


def _read_delayed(message: bytes, due: bytes, value: bytes) -> DelayedMessage:
    found = is_delayed(value)
    channel, payload = found.groups() if found else (b"", value)
    name, channel_name = (each.decode("utf-8", "backslashreplace") for each in (message, channel))
    return DelayedMessage(name, channel_name, float(due) / 1e6, payload)


def read_inbox(reply: Any) -> Iterator[InboxEntry]:
    """Yield the entries in a reply of XREAD on an inbox; raise it if it is an error."""
    if isinstance(reply, Exception):
        raise reply
    for token, fields in reply[0][1] if reply else ():
        entry, operations, unreadable = token.decode(), [], []
        for name, value in zip(fields[::2], fields[1::2], strict=True):
            try:
                text = name.decode()
                operations.append(InboxOperation(INBOX_KINDS[text[:1]], text[1:], value))
            except (UnicodeDecodeError, KeyError):
                where = f"Field {name[:100]!r} of inbox entry {entry}"
                why = "This release knows no such operation."
                unreadable.append(Unreadable(where, why, value))
        yield InboxEntry(entry, operations, unreadable)


def as_it_is(response: Any, **kwargs: Any) -> Any:
    """Return *response* itself: redis-py's dicts would lose repeated fields of a stream entry."""
    return response
