"""What the sockets of the protocol ``channels-workers.v1`` receive and send.

The reference has a page about the protocol. Its consumers say which streams they have, and with
which types; this module knows the frames around these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import UnionType
from typing import Any, Protocol, Union, get_args, get_origin

from channels_workers.bearer import wire
from channels_workers.declarations import Declaration, Exchange, JsonSchema, Wrap
from channels_workers.schemas.frames import LARGEST_ID
from channels_workers.schemas.reading import tags_of

NAME = {"type": "string", "minLength": 1, "maxLength": 100}
NONCE = {"type": "string", "pattern": "^[!-~]{1,64}$"}
ID = {"anyOf": [NONCE, {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}]}

#: The position of a message in the history of its group.
POSITION = {"type": "string", "description": "A position in the history of the group."}


class Stream(Protocol):
    """A stream of a consumer: its types, and a sentence."""

    payload: Any
    reply: Any
    description: str


def _frame(kind: str, optional: Iterable[str] = (), **keys: Any) -> dict[str, Any]:
    """Return the schema of the frames of a type, with *keys*, of which some are *optional*."""
    properties = {"type": {"const": kind, "type": "string"}, **keys}
    required = [key for key in properties if key not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _described(name: str, description: str, schema: dict[str, Any]) -> JsonSchema:
    return JsonSchema(name, {"description": description, **schema})


FIELDS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
        "required": ["field", "message"],
    },
}
ACK = _described("Ack", "The message with this nonce has taken effect.", _frame("ack", nonce=NONCE))
ERROR = _described(
    "ErrorFrame",
    "The answer to a frame that is refused, with its id or nonce.",
    _frame(
        "error",
        ("id", "nonce", "fields", "after"),
        code={
            "type": "string",
            "description": "invalid, unknown, denied, later or failed. More may come.",
        },
        message={"type": "string"},
        id=ID,
        nonce=NONCE,
        fields=FIELDS,
        after={"type": "number", "description": "When to try again, in seconds."},
    ),
)
JOIN = _described(
    "Join", "Joins a group.", _frame("join", ("since",), id=ID, group=NAME, since=POSITION)
)
JOINED = _described(
    "Joined",
    "The client is in the group, and has what it missed.",
    _frame(
        "joined",
        ("name", "at"),
        id=ID,
        group=NAME,
        name={**NAME, "description": "The group of its messages, if that has another name."},
        at=POSITION,
        gap={"type": "boolean", "description": "Whether missed messages are gone: fetch."},
    ),
)
LEAVE = _described("Leave", "Leaves a group.", _frame("leave", id=ID, group=NAME))
LEFT = _described("LeftGroup", "The client has left it.", _frame("left", id=ID, group=NAME))
PING = _described("Ping", "Is answered by a worker.", _frame("ping", ("id",), id=ID))
PONG = _described("Pong", "The answer to a ping.", _frame("pong", ("id",), id=ID))


def declaration_of_streams(streams: Mapping[str, Stream], sends: Mapping[str, Any]) -> Declaration:
    """Return the declaration of a consumer with *streams*, which *sends* these types by stream."""
    found = [each for name, stream in streams.items() for each in _of_stream(name, stream)]
    found += [_sent(name, kind) for name, kind in sends.items()]
    found += [
        Exchange("receive", (JOIN,), frame="join", reply=(JOINED, ERROR)),
        Exchange("receive", (LEAVE,), frame="leave", reply=(LEFT,)),
        Exchange("receive", (PING,), frame="ping", reply=(PONG,)),
        Exchange("send", (ERROR,), frame="error"),
    ]
    return Declaration(tuple(found), subprotocols=(wire.SUBPROTOCOL,))


def _of_stream(name: str, stream: Stream) -> Iterator[Exchange]:
    kinds, by = members(stream.payload)
    one = Exchange("receive", kinds, by, stream=name, description=stream.description)
    yield replace(
        one,
        frame="message",
        wrap=_around("message", name, optional=("type", "nonce"), nonce=NONCE),
        reply=(ACK, ERROR),
    )
    yield replace(
        one,
        frame="request",
        wrap=_around("request", name, id=ID),
        reply=(*members(stream.reply)[0], ERROR),
        wrap_reply=_around("reply", id=ID),
    )


def _sent(name: str, kind: Any) -> Exchange:
    kinds, by = members(kind)
    wrap = _around("message", name, optional=("group", "at"), group=NAME, at=POSITION)
    return Exchange("send", kinds, by, stream=name, frame="message", wrap=wrap)


def _around(kind: str, stream: str = "", optional: Iterable[str] = (), **keys: Any) -> Wrap:
    """Return what puts the schema of a payload into that of a frame of *kind*, on *stream*."""
    named = {"stream": {"const": stream, "type": "string"}} if stream else {}

    def wrap(payload: dict[str, Any]) -> dict[str, Any]:
        return _frame(kind, optional, **named, **keys, payload=payload)

    return wrap


def members(kind: Any) -> tuple[tuple[Any, ...], str]:
    """Return the members of a union or a tuple, and the key that tells them apart, or ""."""
    if isinstance(kind, tuple | list):
        kinds = tuple(kind)
    else:
        kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    try:
        tags = [tag for each in kinds for tag in tags_of(each, "type")]
    except TypeError:
        return kinds, ""
    return kinds, "type" if len(set(tags)) == len(tags) else ""


def declaration_in(consumer: Any) -> Declaration:
    """Return the declaration of a consumer with ``streams()`` and ``sends``, mappings."""
    streams, sends = getattr(consumer, "streams", None), getattr(consumer, "sends", None)
    if callable(streams) and isinstance(sends, Mapping):
        return declaration_of_streams(streams(), sends)
    return Declaration()
