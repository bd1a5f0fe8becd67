"""One WebSocket: ASGI events to messages of workers, replies to ASGI events; no I/O.

Messages have the form of the ASGI 1.x drafts, events that of ASGI 3.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from channels_workers.conf import Configuration
from channels_workers.exceptions import is_close_code
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    CONNECT,
    RECEIVE,
)
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields
from channels_workers.script_name import path_info

logger = logging.getLogger(__name__)

Event = dict[str, Any]
Scope = Mapping[str, Any]

CONNECTING, OPEN, CLOSED = "connecting", "open", "closed"

#: Close codes of our own; the docs explain each to operators and to authors of clients.
TOO_MANY_FRAMES, FRAME_TOO_LARGE, READS_TOO_SLOWLY, CONNECTION_LOST = 4008, 4009, 4010, 4012
SERVER_STOPS = 4013

#: The server stops (RFC 6455, 7.4.1).
GOING_AWAY = 1001

#: What a client's end without a close frame is called (RFC 6455, 7.4.1).
ABNORMAL = 1006

NO_WORKER = (
    "No worker answered the handshake of %s within %s s. Is `manage.py runworker` running, does it "
    "listen to websocket.connect, and does its database answer?"
)
NO_ANSWER = (
    "The connect consumer of %s returned without an answer. Let it send "
    '{"accept": True} to message.reply_channel or raise DenyConnection, or set '
    'CHANNEL_WORKERS["CONNECT"] = "accept". Refused after %s s.'
)


NOT_OFFERED = (
    "The connect consumer of %s accepts with the subprotocol %s, and its client offered %s. "
    "Choose one of message['subprotocols'], or none. Refused."
)

#: The keys of a frame, and their types.
FRAME_KEYS = {"text": str, "bytes": bytes}

#: What Python needs for a frame that waits, beside its text or bytes (bytes).
FRAME_COST = 320


class Publish(NamedTuple):
    """Put *content* into *channel* as the message *order* of the connection."""

    channel: str
    order: int
    content: Content


class Close(NamedTuple):
    """End the connection in the layer."""

    code: int


class Connection:
    """The state of one WebSocket, towards its client and towards the layer.

    Towards the layer one message is under way at a time: ask :meth:`next_step` after every
    change. Methods that return events return what to send to the client.
    """

    def __init__(
        self, scope: Scope, limits: Configuration, episodes: Episodes | None = None
    ) -> None:
        self.path = consumers_path(scope)
        self.offered: list[str] = list(scope.get("subprotocols", ()))
        self.episodes = Episodes() if episodes is None else episodes
        self.name = ""  # its reply channel, once it has one
        self.limits = limits
        self.state = CONNECTING
        self.order = -1  # of the message under way, or of the last one
        self.under_way: Publish | None = None  # published, and not finished by a worker
        self.end_code: int | None = None  # set when the client is gone
        self.close_code: int | None = None  # set when we closed
        self.finished = False  # the layer was told of the end
        #: What waits to be published, each with the bytes of its frame and the memory that it
        #: takes, and these together.
        self._waiting: deque[tuple[Content, int, int]] = deque([(connect_content(scope), 0, 0)])
        self._waiting_bytes = 0
        self.ahead = 0
        self._under_way_cost = 0

    # From the client

    def receive(self, event: Event) -> list[Event]:
        """Take a ``websocket.receive`` event."""
        if self.state != OPEN:
            return []
        text, data = event.get("text"), event.get("bytes")
        size = frame_size(text, data)
        if size > self.limits.FRAME_SIZE:
            return self._close_at_limit(FRAME_TOO_LARGE, "a frame of it has %d bytes", size)
        frame = {"bytes": data} if text is None else {"text": text}
        cost = FRAME_COST + sys.getsizeof(data if text is None else text)
        self._waiting.append(({"path": self.path, **frame}, size, cost))
        self._waiting_bytes += size
        self.ahead += cost
        if (
            len(self._waiting) > self.limits.FRAMES_WAITING
            or self._waiting_bytes > self.limits.FRAME_BYTES_WAITING
        ):
            self._forget(self._waiting.pop())
            text = "%d frames of it wait for workers (FRAMES_WAITING, FRAME_BYTES_WAITING)"
            return self._close_at_limit(TOO_MANY_FRAMES, text, len(self._waiting))
        return []

    def _close_at_limit(self, code: int, reason: str, count: int) -> list[Event]:
        extra = self._fields("socket_closed", code)
        text, path = f"Closing %s: {reason}", shown(self.path)
        self.episodes.log(logger, logging.WARNING, text, path, count, extra=extra)
        return self.close(code)

    def _fields(self, event: str, code: int | None = None) -> dict[str, str | int]:
        return fields(event, code=code, connection=self.name, path=shown(self.path))

    def end(self, code: int | None) -> None:
        """Note that the client is gone; frames that it sent before still go to workers."""
        if self.end_code is None:
            self.state = CLOSED
            self.end_code = int(self.close_code or code or ABNORMAL)  # some servers give an enum

    def abandon(self, code: int) -> None:
        """Note that the client is gone and that nothing waits for the frames that it sent."""
        self.drop_all_but(0)
        self.end(code)

    def drop_all_but(self, count: int) -> int:
        """Drop what waits behind the first *count* frames; return how many were dropped."""
        dropped = max(0, len(self._waiting) - count)
        for _ in range(dropped):
            self._forget(self._waiting.pop())
        return dropped

    def _forget(self, waiting: tuple[Content, int, int]) -> None:
        self._waiting_bytes -= waiting[1]
        self.ahead -= waiting[2]

    # From the layer

    def reply(self, content: Content) -> list[Event]:
        """Take what a consumer sent to the reply channel, or to a group."""
        if self.state == OPEN:
            events = frames.of(content)
            close = content.get("close")
            return events + self.close(close) if close else events
        if self.state == CLOSED:
            return []
        if is_refusal(content):
            return self.refuse()
        events = frames.of(content)
        if content.get("accept") or has_frame(content):
            subprotocol = content.get("subprotocol")
            if subprotocol and subprotocol not in self.offered:
                return self._refuse_subprotocol(subprotocol)
            events = [*self.accept(subprotocol), *events]
        if self.state == OPEN and content.get("close"):
            events = [*events, *self.close(content["close"])]
        return events

    def _refuse_subprotocol(self, chosen: Any) -> list[Event]:
        # RFC 6455, 4.1: a client fails the connection for it, and does not say why.
        extra = self._fields("subprotocol_refused")
        lists = shown(str(chosen)), shown(", ".join(self.offered)) or "none"
        arguments = NOT_OFFERED, shown(self.path), *lists
        self.episodes.log(logger, logging.ERROR, *arguments, extra=extra)
        return self.refuse()

    def release(self, order: int) -> list[Event]:
        """Note that a worker has finished the message *order*."""
        if order != self.order:
            return []
        self.under_way = None
        self._under_way_cost = 0
        if order == 0 and self.state == CONNECTING and self.limits.CONNECT == "accept":
            return self.accept()
        return []

    def time_out(self) -> list[Event]:
        """Refuse a handshake that nobody answered in time."""
        if self.state != CONNECTING:
            return []
        reason = NO_ANSWER if self.order == 0 and self.released else NO_WORKER
        extra = self._fields("handshake_timeout")
        logger.warning(reason, shown(self.path), self.limits.HANDSHAKE_TIMEOUT, extra=extra)
        return self.refuse()

    # To the client

    def accept(self, subprotocol: str | None = None) -> list[Event]:
        """Accept the handshake."""
        self.state = OPEN
        return [{"type": "websocket.accept", "subprotocol": subprotocol}]

    def refuse(self) -> list[Event]:
        """Refuse the handshake: the server answers with HTTP 403."""
        self.state = CLOSED
        self.close_code = ABNORMAL
        return [{"type": "websocket.close", "code": 1000}]

    def close(self, code: Any = True, reason: str = "") -> list[Event]:
        """Close the socket; True stands for 1000. A handshake is refused."""
        if self.state != OPEN:
            return self.refuse() if self.state == CONNECTING else []
        self.state = CLOSED
        self.close_code = close_code(code)
        event: Event = {"type": "websocket.close", "code": self.close_code}
        return [event | {"reason": reason} if reason else event]

    # To the layer

    def next_step(self) -> Publish | Close | None:
        """Return what to do in the layer now; each step is returned once."""
        if self.finished:
            return None
        if self._waiting and self.released:
            return self._publish(self._waiting.popleft())
        if self.end_code is not None and not self._waiting:
            self.finished = True
            return Close(self.end_code)
        return None

    def withdraw(self) -> None:
        """Note that the message that was to be published last cannot be, and never was."""
        self.order -= 1
        self.under_way = None
        self._under_way_cost = 0

    @property
    def released(self) -> bool:
        """Whether no message is under way."""
        return self.under_way is None

    @property
    def waiting(self) -> int:
        """How many frames wait for the message under way."""
        return len(self._waiting)

    @property
    def kept(self) -> int:
        """The memory of the frames that wait, and of that under way."""
        return self.ahead + self._under_way_cost

    def _publish(self, waiting: tuple[Content, int, int]) -> Publish:
        self.order += 1
        self._forget(waiting)
        content, _, self._under_way_cost = waiting
        self.under_way = Publish(RECEIVE if self.order else CONNECT, self.order, content)
        return self.under_way


def shown(path: str) -> str:
    """Return *path*, which anybody may choose, as it can stand in one line of a log."""
    return ascii(path[:200])[1:-1]


def consumers_path(scope: Scope) -> str:
    """Return the path that consumers and routes see: what comes after the script name."""
    return path_info(scope["path"], scope.get("root_path", ""))


def connect_content(scope: Scope) -> Content:
    """Return the content of ``websocket.connect`` for an ASGI scope."""
    return {
        "path": consumers_path(scope),
        "root_path": scope.get("root_path", ""),
        "query_string": scope.get("query_string", b""),
        "headers": [[bytes(name), bytes(value)] for name, value in scope.get("headers", ())],
        "client": list(scope["client"]) if scope.get("client") else None,
        "server": list(scope["server"]) if scope.get("server") else None,
        "scheme": scope.get("scheme", "ws"),
        "subprotocols": list(scope.get("subprotocols", ())),
    }


def disconnect_content(path: str) -> Content:
    """Return the content of ``websocket.disconnect``; the layer adds code and order."""
    return {"path": path}


def is_answer(content: Content) -> bool:
    """Say whether a reply accepts or refuses a handshake."""
    return is_refusal(content) or bool(content.get("accept")) or has_frame(content)


def has_frame(content: Content) -> bool:
    """Say whether a reply holds a text or bytes, empty ones among them."""
    return any(isinstance(content.get(key), kind) for key, kind in FRAME_KEYS.items())


def is_refusal(content: Content) -> bool:
    """Say whether a reply refuses a handshake: ``accept`` is False, or it only closes."""
    accepts = content.get("accept") or has_frame(content)
    return content.get("accept") is False or bool(content.get("close") and not accepts)


def close_code(close: Any) -> int:
    """Return the code that a reply's ``close`` stands for; 1000 for True, and for a wrong one."""
    if close is True:
        return 1000
    if isinstance(close, int) and is_close_code(close):
        return close
    text = "Close code %s is not 1000 or from 3000 to 4999; 1000 is used"
    shown_code = close if isinstance(close, int) else f"({type(close).__name__})"
    logger.error(text, shown_code, extra=fields("bad_reply"))
    return 1000


def frame_size(text: str | None, data: bytes | None) -> int:
    """Return the bytes of a frame that holds *text* or *data*."""
    return len(data or b"") if text is None else len(text.encode("utf-8", "surrogatepass"))


class Frames:
    """The events that send what a content holds, made once for all members of a group.

    They are remembered for the last content alone: a broadcast hands the same one, and nothing
    between, to each member.
    """

    def __init__(self) -> None:
        self._last: tuple[Content, list[Event]] = ({}, [])

    def of(self, content: Content) -> list[Event]:
        """Return the events, which nobody may change; none for a content without a frame."""
        last = self._last
        if content is not last[0]:
            last = self._last = (content, send_events(content))
        return last[1]


frames = Frames()


def send_events(content: Content) -> list[Event]:
    """Return the event that sends the text or the bytes of *content*; none if it has neither.

    None is nothing. An empty one is a frame, but beside the other one it is nothing: contents as in
    1.x carry both keys.
    """
    text, data = content.get("text"), content.get("bytes")
    if isinstance(text, str) and not data:
        return [{"type": "websocket.send", "text": text}]
    if isinstance(data, bytes) and not text:
        return [{"type": "websocket.send", "bytes": data}]
    if text is None and data is None:
        return []
    logger.error(
        "A reply must hold text (str) or bytes (bytes), one of them, not %s and %s; it is dropped",
        type(text).__name__,
        type(data).__name__,
        extra=fields("bad_reply"),
    )
    return []
