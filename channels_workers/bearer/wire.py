"""How a token travels: in a subprotocol, in a header, or in a frame. No setting is read here.

======================  ===========================================================
``token.<base64url>``   an entry of ``Sec-WebSocket-Protocol``, without ``=``
``Bearer <token>``      the header ``Authorization``
a frame                 ``{"type": "channels_workers.token", "token": "<token>"}``
======================  ===========================================================

A token has printable ASCII characters without spaces. What looks like a token and is none is
returned as ``""``.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: The subprotocol that a server answers with, as it never answers with a token.
SUBPROTOCOL = "channels-workers.v1"

#: The beginning of the subprotocol that is a token.
PREFIX = "token."

#: The type of the frames that carry a token, and of the answers to them.
FRAME_TYPE = "channels_workers.token"

#: The key of an ASGI scope under which the interface server keeps the token of a handshake.
TOKEN_KEY = "channels_workers.token"  # noqa: S105  (a name)

#: The key of an ASGI scope under which it keeps what a client offers to resume; see
#: :mod:`channels_workers.interface.resume.wire`.
OFFER_KEY = "channels_workers.resume"

#: How many characters a frame may have beside its token.
FRAME_SPACE = 200

_HEADER = b"sec-websocket-protocol"
_is_token = re.compile(r"[!-~]+").fullmatch
_begins_as_frame = re.compile(
    r'\s{0,20}\{\s{0,20}"type"\s{0,20}:\s{0,20}"channels_workers\.token"'
).match

Headers = Iterable[Any]


def is_token(text: str, size: int) -> bool:
    """Say whether *text* can be a token of at most *size* characters."""
    return 0 < len(text) <= size and _is_token(text) is not None


def to_subprotocol(token: str) -> str:
    """Return the subprotocol that carries *token*."""
    return PREFIX + urlsafe_b64encode(token.encode("ascii")).decode("ascii").rstrip("=")


def of_subprotocol(text: str, size: int) -> str:
    """Return the token in the subprotocol *text*; "" if there is none that can be read."""
    data = text.removeprefix(PREFIX)
    if len(data) > size * 4 // 3 + 4:
        return ""
    try:
        token = urlsafe_b64decode(data + "=" * (-len(data) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        return ""
    return token if is_token(token, size) and to_subprotocol(token) == text else ""


def to_frame(token: str) -> str:
    """Return the text of the frame that carries *token*."""
    return json.dumps({"type": FRAME_TYPE, "token": token})


def acknowledgement(expires: float | None, now: float) -> str:
    """Return the text of the frame that answers a token; *expires* and *now* are Unix times (s).

    It also says how many seconds are left, for clients whose clock is wrong.
    """
    seconds = None if expires is None else max(0.0, round(expires - now, 1))
    return json.dumps({"type": FRAME_TYPE, "expires": expires, "seconds": seconds})


def of_frame(text: Any, size: int) -> str | None:
    """Return the token in the frame *text*, "" if it is invalid; None for any other frame.

    The key ``type`` must come first. So other frames need not be decoded.
    """
    if not isinstance(text, str) or _begins_as_frame(text) is None:
        return None
    if len(text) > size + FRAME_SPACE:
        return ""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    token = content.get("token")
    return token if isinstance(token, str) and is_token(token, size) else ""


def bearers(headers: Headers, size: int) -> list[str]:
    """Return the token of each ``Authorization: Bearer`` among *headers*, pairs of bytes."""
    found = []
    for name, value in headers:
        scheme, _, token = bytes(value).partition(b" ")
        if bytes(name) == b"authorization" and scheme.lower() == b"bearer":
            text = token.strip().decode("latin-1")
            found.append(text if is_token(text, size) else "")
    return found


def without_tokens(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return *headers* without the tokens among the subprotocols."""
    return without_subprotocols(headers, lambda entry: entry.startswith(PREFIX.encode()))


def without_subprotocols(
    headers: Headers, is_dropped: Callable[[bytes], bool]
) -> list[tuple[bytes, bytes]]:
    """Return *headers* without those subprotocols for which *is_dropped* is true."""
    kept = []
    for name, value in headers:
        if bytes(name) == _HEADER:
            entries = [each.strip() for each in bytes(value).split(b",")]
            others = b", ".join(each for each in entries if not is_dropped(each))
            if others:
                kept.append((bytes(name), others))
        else:
            kept.append((bytes(name), bytes(value)))
    return kept


def default_subprotocol(scope: Mapping[str, Any]) -> str | None:
    """Return the subprotocol for a consumer that chooses none: browsers insist on an answer."""
    is_for_us = TOKEN_KEY in scope or OFFER_KEY in scope
    if is_for_us and SUBPROTOCOL in scope.get("subprotocols", ()):
        return SUBPROTOCOL
    return None
