"""The frames of ``channels-workers.v1``: reading those of clients, and writing those of servers.

The page "Protocol" of the reference describes them. There is no I/O here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from channels_workers.envelope import strict_json
from channels_workers.envelope.refused import INVALID, UNKNOWN, Refused
from channels_workers.layers.codec import Content
from channels_workers.layers.positions import POSITION_KEY

#: The types of frames that clients send.
MESSAGE, REQUEST, JOIN, LEAVE, PING = "message", "request", "join", "leave", "ping"

#: The largest ``id`` that is a number: JavaScript counts no further.
LARGEST_ID = 2**53 - 1

#: The longest names of streams and groups (characters).
LONGEST_NAME = 100

#: The key of the position of a message.
AT = "at"

_is_label = re.compile(r"[!-~]{1,64}").fullmatch


class Envelope(NamedTuple):
    """What a frame of a client says beside its payload.

    *type* is ``message``, ``request``, ``join``, ``leave`` or ``ping``. *stream* is ``""`` if the
    frame has none. *id* is that of a request, and *nonce* that of a message to be confirmed; they
    are None in other frames. *payload* is any JSON value. *group* and *since* are those of a join.
    """

    type: str
    stream: str = ""
    payload: Any = None
    id: str | int | None = None
    nonce: str | None = None
    group: str = ""
    since: str | None = None


class FrameRefused(Refused):
    """A frame that is none of the protocol; *answered* has its ``id`` or ``nonce``, if any.

    The mistake is one of the client's program, so it is logged.
    """

    def __init__(
        self, code: str, message: str, field: str = "", answered: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message, {field: message} if field else {})
        self.answered = dict(answered or {})


def parse(text: Any) -> Envelope:
    """Return what the *text* of a frame says; raise :class:`FrameRefused`.

    Unknown keys are ignored.
    """
    if not isinstance(text, str):
        raise FrameRefused(INVALID, "A frame must be text, not binary.")
    try:
        found = strict_json.loads(text)
    except strict_json.NotStrict as error:
        raise FrameRefused(INVALID, str(error)) from None
    if not isinstance(found, dict):
        raise FrameRefused(INVALID, "A frame must be a JSON object.")
    kind = found.get("type", MESSAGE)
    answered = answered_by(found, kind)
    try:
        return _read(found, kind)
    except FrameRefused as refused:
        refused.answered = answered
        raise


def answered_by(found: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return the key that an answer to the frame *found* has, if that is valid."""
    key = "nonce" if kind == MESSAGE else "id"
    value = found.get(key)
    is_valid = _is_nonce(value) if key == "nonce" else _is_id(value)
    return {key: value} if is_valid else {}


def _read(found: Mapping[str, Any], kind: Any) -> Envelope:
    if not isinstance(kind, str):
        raise _wrong("type", "a string")
    if (read := _READERS.get(kind)) is None:
        raise FrameRefused(UNKNOWN, f"There is no type {kind[:50]!a}.", "type")
    return read(found)


def _message(found: Mapping[str, Any]) -> Envelope:
    nonce = found.get("nonce")
    if nonce is not None and not _is_nonce(nonce):
        raise _wrong("nonce", "1 to 64 printable ASCII characters without spaces")
    return Envelope(MESSAGE, _stream(found), _payload(found), nonce=nonce)


def _request(found: Mapping[str, Any]) -> Envelope:
    return Envelope(REQUEST, _stream(found), _payload(found), id=_id(found))


def _join(found: Mapping[str, Any]) -> Envelope:
    since = found.get("since")
    if since is not None and not isinstance(since, str):
        raise _wrong("since", "a position, as a string")
    return Envelope(JOIN, id=_id(found), group=_name(found, "group"), since=since)


def _leave(found: Mapping[str, Any]) -> Envelope:
    return Envelope(LEAVE, id=_id(found), group=_name(found, "group"))


def _ping(found: Mapping[str, Any]) -> Envelope:
    return Envelope(PING, id=None if found.get("id") is None else _id(found))


#: What reads the frames of each type.
_READERS: Mapping[str, Callable[[Mapping[str, Any]], Envelope]] = {
    MESSAGE: _message,
    REQUEST: _request,
    JOIN: _join,
    LEAVE: _leave,
    PING: _ping,
}


def _payload(found: Mapping[str, Any]) -> Any:
    if "payload" not in found:
        raise FrameRefused(INVALID, "The frame has no payload.", "payload")
    return found["payload"]


def _stream(found: Mapping[str, Any]) -> str:
    return _name(found, "stream") if found.get("stream") is not None else ""


def _name(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME:
        return value
    raise _wrong(key, f"a string of 1 to {LONGEST_NAME} characters")


def _id(found: Mapping[str, Any]) -> str | int:
    value: Any = found.get("id")
    if _is_id(value):
        return value  # type: ignore[no-any-return]
    raise _wrong("id", "a string like a nonce, or an integer from 0 to 2**53 - 1")


def _is_id(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return 0 <= value <= LARGEST_ID
    return _is_nonce(value)


def _is_nonce(value: Any) -> bool:
    return isinstance(value, str) and _is_label(value) is not None


def _wrong(key: str, expected: str) -> FrameRefused:
    return FrameRefused(INVALID, f"{key} must be {expected}.", key)


# Frames of servers


def message_frame(payload: Any, stream: str = "", group: str = "") -> Content:
    """Return the content that sends *payload* as a ``message``.

    With *group*, its name, the content is for that group: if it has a history, clients learn the
    position of the message. Errors are those of :func:`strict_json.dumps`.
    """
    frame: dict[str, Any] = {"type": MESSAGE}
    if stream:
        frame["stream"] = stream
    if group:
        frame["group"] = group
    content: Content = {"text": strict_json.dumps({**frame, "payload": payload})}
    if group:
        content[POSITION_KEY] = AT
    return content


def answer_frame(kind: str, **keys: Any) -> Content:
    """Return the content that sends a frame of the type *kind* with *keys*."""
    return {"text": strict_json.dumps({"type": kind, **keys})}


def error_frame(refused: Refused, answered: Mapping[str, Any]) -> Content:
    """Return the content that tells a client about *refused*; *answered* says what it answers."""
    return answer_frame("error", **answered, **refused.content())
