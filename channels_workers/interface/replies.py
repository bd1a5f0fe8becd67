"""The messages between sockets and consumers: contents for workers, and what replies ask for.

They have the form of the ASGI 1.x drafts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from channels_workers.bearer.wire import TOKEN_KEY
from channels_workers.exceptions import is_close_code
from channels_workers.interface.actions import ClientActions, ExpireAt, SendFrame
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.script_name import path_info
from channels_workers.interface.types import Scope
from channels_workers.layers.codec import Content
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The keys of a frame, and their types.
FRAME_KEYS = {"text": str, "bytes": bytes}

#: What a reply may ask for beside its frame.
OTHER_KEYS = frozenset(("accept", "close", "expires"))

#: The longest reason of a close frame (bytes; RFC 6455, 5.5).
LONGEST_REASON = 123


def consumers_path(scope: Scope) -> str:
    """Return the path that consumers and routes see: what comes after the script name."""
    return path_info(scope["path"], scope.get("root_path", ""))


def connect_content(scope: Scope) -> Content:
    """Return the content of ``websocket.connect`` for an ASGI scope."""
    token = scope.get(TOKEN_KEY)
    return {
        "path": consumers_path(scope),
        "root_path": scope.get("root_path", ""),
        "query_string": scope.get("query_string", b""),
        "headers": list(map(list, scope.get("headers", ()))),
        "client": list(scope["client"]) if scope.get("client") else None,
        "server": list(scope["server"]) if scope.get("server") else None,
        "scheme": scope.get("scheme", "ws"),
        "subprotocols": list(scope.get("subprotocols", ())),
        **({} if token is None else {"token": token}),
    }


def disconnect_content(path: str, request_id: str = "") -> Content:
    """Return the content of ``websocket.disconnect``; the layer adds code and order."""
    return {"path": path, "request_id": request_id} if request_id else {"path": path}


def is_answer(content: Content) -> bool:
    """Say whether a reply accepts or refuses a handshake."""
    return is_refusal(content) or bool(content.get("accept")) or has_frame(content)


def has_frame(content: Content) -> bool:
    """Say whether a reply holds a text or bytes; empty ones count."""
    return any(isinstance(content.get(key), kind) for key, kind in FRAME_KEYS.items())


def is_refusal(content: Content) -> bool:
    """Say whether a reply refuses a handshake: ``accept`` is False, or it only closes."""
    accepts = content.get("accept") or has_frame(content)
    return content.get("accept") is False or bool(content.get("close") and not accepts)


def close_code(close: Any) -> int:
    """Return the code that a reply's ``close`` stands for: 1000 for True and for invalid codes."""
    is_code = close is not True and isinstance(close, int) and is_close_code(close)
    return int(close) if is_code else 1000


def close_reason(content: Content) -> str:
    """Return the reason that *content* closes with, "" if it has none."""
    reason = content.get("reason")
    if reason is None or isinstance(reason, str):
        return fitting_reason(reason or "")
    text = "The reason of a close must be str, not %s; it is left out"
    logger.error(text, type(reason).__name__, extra=fields("bad_reply"))
    return ""


def fitting_reason(text: str) -> str:
    """Return the beginning of *text* that fits into a close frame."""
    return text.encode("utf-8", "replace")[:LONGEST_REASON].decode("utf-8", "ignore")


def deadline_of(content: Content) -> Sequence[ExpireAt]:
    """Return the action that *content* asks for with ``expires``, a Unix time; None is absent."""
    expires = content.get("expires")
    if expires is None:
        return []
    is_number = isinstance(expires, int | float) and not isinstance(expires, bool)
    if is_number and abs(expires) < math.inf:
        return [ExpireAt(float(expires))]
    text = "`expires` of a reply must be a Unix time in seconds, not %s; it is ignored"
    logger.error(text, type(expires).__name__, extra=fields("bad_reply"))
    return []


def sends_of(content: Content) -> ClientActions:
    """Return the action that sends the text or the bytes of *content*; [] if it has neither.

    None counts as absent. An empty text or empty bytes is a frame of its own. Beside a value under
    the other key it counts as absent too, because contents as in 1.x carry both keys.
    """
    text, data = content.get("text"), content.get("bytes")
    if isinstance(text, str) and not data:
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        return [SendFrame({"type": "websocket.send", "text": text}, size)]
    if isinstance(data, bytes) and not text:
        return [SendFrame({"type": "websocket.send", "bytes": data}, len(data))]
    return []


@dataclass(slots=True)
class Made:
    """What one content asks for, made once for all who get it.

    It has a *frame* if it asks an open socket for nothing else than to send that.
    """

    content: Content
    sends: ClientActions
    frame: SharedFrame | None = None


class Latest:
    """What was made of the latest content.

    A broadcast hands the same content, and no other between, to each member. Nobody may change
    what it returns.
    """

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = Made({}, [])

    def make(self, content: Content, to_group: bool = False) -> Made:
        """Return what is made of *content*, and keep it in place of what was made before."""
        made = Made(content, sends_of(content))
        match made.sends:
            case [SendFrame() as frame] if not OTHER_KEYS.intersection(content):
                made.frame = SharedFrame(frame, frame.length, to_group)
        self.made = made
        return made

    def sends_of(self, content: Content) -> ClientActions:
        """Return what :func:`sends_of` returns."""
        made = self.made  # in one step: a process may have event loops in two threads
        return made.sends if made.content is content else self.make(content).sends


latest = Latest()
