"""What clients of fallback transports send and get: the verbs, their bodies, and frames as JSON.

A text frame is a JSON string, a binary one ``{"bytes": "<base64>"}``.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels_workers.interface.transports.refusals import Refused, bad_request
from channels_workers.interface.transports.scanner import Scanner

#: The header with the verb. Browsers let no form and no simple cross-site request send it.
HEADER = b"channels-workers-transport"

OPEN, RECEIVE, SEND, CLOSE = b"open", b"receive", b"send", b"close"
VERBS = (OPEN, RECEIVE, SEND, CLOSE)

#: The ways of getting frames.
SSE, POLL = "sse", "poll"

#: How many frames one request may send, and how many subprotocols one may offer.
FRAMES, PROTOCOLS = 1_000, 20

#: The largest body of other verbs (bytes), and how many keys one of `send` may have beside
#: `frames`. Nobody else is served while JSON is read.
BODY_SIZE, KEYS = 32 * 1024, 20

#: The most characters of an offered subprotocol; tokens are some.
LONGEST_PROTOCOL = 12 * 1024

#: The codes that a page may close with (RFC 6455, 7.4), and that of a page which names none.
CLOSES, NO_CODE = (1000, 1001), 1005

#: Larger numbers are not exact in JavaScript.
LARGEST = 2**53 - 1

Frame = str | bytes

_is_protocol = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch


@dataclass(frozen=True, slots=True)
class Open:
    """Open a socket, with these subprotocols offered."""

    protocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receive:
    """Get the frames after number *after*, as a stream of events or by one answer."""

    id: str
    after: int
    by: str


@dataclass(frozen=True, slots=True)
class Send:
    """Take *frames*, the first of which has this number; frames up to *ack* have come."""

    id: str
    first: int
    frames: tuple[Frame, ...]
    ack: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket."""

    id: str
    code: int


def read(verb: bytes, body: bytes) -> Open | Receive | Send | Close:
    """Return the request in *body*; :class:`Refused` is raised if it is none."""
    if verb == SEND:
        return _read_send(body)
    if len(body) > BODY_SIZE:
        raise Refused(413, f"Only `send` may have a body of more than {BODY_SIZE} bytes.")
    content = _content(body)
    match verb:
        case b"open":
            return Open(_protocols(content.get("protocols", [])))
        case b"receive":
            by = content.get("by")
            if by not in (SSE, POLL):
                raise bad_request(f'`by` must be "{SSE}" or "{POLL}".')
            return Receive(_id(content), _number(content, "after"), by)
        case b"close":
            return Close(_id(content), _code(content.get("code")))
    raise bad_request(f"The verb must be one of {b', '.join(VERBS).decode()}.")


def _read_send(body: bytes) -> Send:
    try:
        scanner = Scanner(body.decode())
    except UnicodeDecodeError:
        raise bad_request("The body is not UTF-8.") from None
    content: dict[str, Any] = {}
    frames: tuple[Frame, ...] = ()
    scanner.expect("{")
    while True:
        key = scanner.string()
        scanner.expect(":")
        if key == "frames":
            frames = _frames(scanner)
        elif key == "id":
            content[key] = scanner.string()
        else:
            content[key] = scanner.number()
        if not scanner.takes(",") or len(content) > KEYS:
            break
    scanner.expect("}")
    scanner.end()
    return Send(_id(content), _number(content, "first", 1), frames, _number(content, "ack"))


def _frames(scanner: Scanner) -> tuple[Frame, ...]:
    scanner.expect("[")
    frames: list[Frame] = []
    if scanner.takes("]"):
        return ()
    while True:
        frames.append(_frame(scanner.frame()))
        if not scanner.takes(","):
            break
        if len(frames) == FRAMES:
            raise bad_request(f"`frames` may have up to {FRAMES} frames.")
    scanner.expect("]")
    return tuple(frames)


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON.") from None
    if not isinstance(content, dict):
        raise bad_request("The body is not a JSON object.")
    return content


def _protocols(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > PROTOCOLS or not all(map(_fits, given)):
        raise bad_request(f"`protocols` must be a list of up to {PROTOCOLS} subprotocols.")
    return tuple(given)


def _fits(given: Any) -> bool:
    is_short = isinstance(given, str) and len(given) <= LONGEST_PROTOCOL
    return is_short and _is_protocol(given) is not None


def _id(content: Mapping[str, Any]) -> str:
    given = content.get("id")
    if not isinstance(given, str) or not 0 < len(given) <= 300:
        raise bad_request("`id` must be that of a socket.")
    return given


def _number(content: Mapping[str, Any], key: str, least: int = 0) -> int:
    given = content.get(key, least)
    if type(given) is not int or not least <= given <= LARGEST:
        raise bad_request(f"`{key}` must be the number of a frame.")
    return given


def _frame(given: str | re.Match[str]) -> Frame:
    if isinstance(given, str):
        try:
            given.encode()
        except UnicodeEncodeError:
            raise bad_request("A text frame is not Unicode.") from None
        return given
    try:
        return b64decode(given[1], validate=True)
    except (binascii.Error, ValueError):
        raise bad_request("`bytes` of a frame must be base64.") from None


def _code(given: Any) -> int:
    is_code = type(given) is int and (given in CLOSES or 3000 <= given <= 4999)
    return given if is_code else NO_CODE


def to_json(frame: Frame) -> str:
    """Return *frame* as JSON."""
    given = frame if isinstance(frame, str) else {"bytes": b64encode(frame).decode()}
    return json.dumps(given, ensure_ascii=False)


def event_of(frame: Frame) -> dict[str, Any]:
    """Return the ASGI event of a frame from the client."""
    key = "text" if isinstance(frame, str) else "bytes"
    return {"type": "websocket.receive", key: frame}
