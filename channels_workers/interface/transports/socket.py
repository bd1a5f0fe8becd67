"""A virtual socket: an ordinary ``websocket`` of the interface, which HTTP requests carry.

The interface runs it as any other, with all limits. What a server program does for a WebSocket,
this does: it hands on the frames of the client, and keeps those for it until they are fetched.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from channels_workers.concurrency.futures import settle
from channels_workers.conf import configuration
from channels_workers.interface.close_codes import ABNORMAL
from channels_workers.interface.servers.virtual import Virtual
from channels_workers.interface.transports.downstream import Downstream
from channels_workers.interface.transports.wire import Frame, event_of
from channels_workers.interface.types import Application, Event, Scope
from channels_workers.logs import fields, shown

logger = logging.getLogger(__name__)

#: Frames of the client that wait here; its request waits with the others.
INCOMING = 16

#: After how long a client that has opened a socket must have asked for frames (s), if
#: FALLBACK_TIMEOUT is not less.
FIRST_POLL = 10.0

#: How long a request waits until the frames that it sends are taken (s).
PUSH_TIME = 10.0


class Handshake(NamedTuple):
    """The answer to a handshake: *status* 200, or that of the refusal.

    The client of a refused one may come back after *retry_after* seconds; 0: it was not told.
    """

    status: int
    protocol: str | None = None
    retry_after: int = 0


def refusal_of(event: Event) -> Handshake:
    """Return the refusal that begins with *event*."""
    seconds = next((int(value) for name, value in event["headers"] if name == b"retry-after"), 0)
    return Handshake(event["status"], retry_after=seconds)


class Fetched(NamedTuple):
    """What a poll returns: *data* as JSON, and the number of its last frame."""

    data: bytes
    after: int
    #: Whether nothing follows: the socket is closed.
    is_end: bool = False
    #: Whether a newer request of the client fetches the frames.
    is_replaced: bool = False
    is_empty: bool = False


class VirtualSocket(Virtual):
    """One virtual socket; *left* is called once when nothing more comes of it."""

    def __init__(self, scope: Scope, key: str, left: Callable[[VirtualSocket], object]) -> None:
        self.scope = scope
        self.key = key
        self.received = 0  # the number of the client's newest frame
        loop = asyncio.get_running_loop()
        self.handshake: asyncio.Future[Handshake] = loop.create_future()
        self.task: asyncio.Task[None] | None = None
        #: Whether its client gets nothing more: it has left, or was cut.
        self.is_lost = False
        self.is_over = False  # the interface knows of its end
        self._left = left
        self._downstream = Downstream()
        self._incoming: deque[Frame] = deque()
        self._is_begun = self._is_held = self._is_pushing = False
        self._end_code: int | None = None  # once its client is gone, or it was closed
        self._refusal = Handshake(403)
        self._reader = ""  # the newest request that fetches frames
        self._polls = 0  # under way
        self._idle: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    @property
    def has_news(self) -> bool:
        """Whether its client, which had opened it, may still want frames or the close code."""
        is_opened = self.handshake.done() and self.handshake.result().status == 200
        return is_opened and not self.is_lost

    def begin(self, application: Application) -> None:
        """Run it in *application*, the interface's own for sockets."""
        self.task = asyncio.get_running_loop().create_task(self._run(application))

    async def _run(self, application: Application) -> None:
        try:
            await application(self.scope, self.receive, self.send)
        except Exception:
            extra = fields("transport_failed", path=shown(self.scope["path"]))
            logger.exception("A socket over a fallback transport failed", extra=extra)
            self._refusal = Handshake(500)
        finally:
            self._finish()

    def _finish(self) -> None:
        self.is_over = True
        settle(self.handshake, self._refusal)
        if self._downstream.close is None:
            self._downstream.close = ABNORMAL, ""
        self._notify()
        self._left(self)

    # For the interface, as a server program

    async def receive(self) -> Event:
        """Return the next event of the client."""
        if not self._is_begun:
            self._is_begun = True
            return {"type": "websocket.connect"}
        while True:
            has_ended = self._end_code is not None
            if self._incoming and (has_ended or not self._is_held):
                frame = self._incoming.popleft()
                if len(self._incoming) == INCOMING - 1:
                    self._notify()
                return event_of(frame)
            if has_ended:
                return {"type": "websocket.disconnect", "code": self._end_code}
            await self._changed.wait()

    async def send(self, event: Event) -> None:
        """Take *event*; wait while the client has not fetched enough."""
        match event["type"]:
            case "websocket.accept":
                settle(self.handshake, Handshake(200, event.get("subprotocol")))
                self._watch()
            case "websocket.send":
                await self._put(event)
            case "websocket.close":
                self._close(event.get("code", 1000), event.get("reason") or "")
            case "websocket.http.response.start":
                self._refusal = refusal_of(event)
            case "websocket.http.response.body":
                self._close(ABNORMAL)

    async def _put(self, event: Event) -> None:
        downstream = self._downstream
        while not downstream.has_room and self._end_code is None:
            await self._changed.wait()
        if self._end_code is None:
            text: str | None = event.get("text")
            downstream.put(event["bytes"] if text is None else text)
            self._notify()

    def _close(self, code: int, reason: str = "") -> None:
        """Close it, or refuse its handshake."""
        settle(self.handshake, self._refusal)
        if self._downstream.close is None:
            self._downstream.close = code, reason
        self._end(code)

    def _end(self, code: int) -> None:
        if self._end_code is None:
            self._end_code = code
        self._notify()

    def hold(self) -> None:
        """Take no more frames of the client for a while."""
        self._is_held = True

    def let_go(self) -> None:
        """Take frames again."""
        self._is_held = False
        self._notify()

    def cut(self) -> None:
        """Drop what waits for the client, and end it; one that is closed may still say why."""
        if self._downstream.close is not None:
            return
        self._incoming.clear()
        self._lose()
        self._close(ABNORMAL)

    def _lose(self) -> None:
        self.is_lost = True
        self._downstream.clear()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # For the requests of the client

    def acknowledge(self, number: int) -> bool:
        """Forget the frames up to *number*; return False if there was no such frame."""
        has_been = self._downstream.acknowledge(number)
        self._notify()
        return has_been

    async def push(self, first: int, frames: Sequence[Frame]) -> int:
        """Take those of *frames* that are next; return the number of the newest one taken.

        It takes no frame twice, and none before those that come first. It stops early while the
        engine holds the client back. Of requests that race one takes frames.
        """
        if self._is_pushing:
            return self.received
        self._is_pushing = True
        try:
            async with asyncio.timeout(PUSH_TIME):
                for number, frame in enumerate(frames, first):
                    if number == self.received + 1:
                        await self._take(frame)
        except TimeoutError:
            pass
        finally:
            self._is_pushing = False
        return self.received

    async def _take(self, frame: Frame) -> None:
        while (len(self._incoming) >= INCOMING or self._is_held) and self._end_code is None:
            await self._changed.wait()
        self.received += 1
        if self._end_code is None:
            self._incoming.append(frame)
            self._notify()

    async def poll(self, reader: str, after: int, wait: float, *, is_first: bool) -> Fetched | None:
        """Return the frames after number *after*, once there are any; an empty batch after *wait*.

        The *first* poll of a *reader*, a request of the client, ends those of the reader before,
        and says that the client has the frames up to *after*; a request that comes late says less
        than is known, and ends none. The result is None for a frame that never was.
        """
        downstream = self._downstream
        if is_first:
            if not downstream.acknowledge(after):
                return None
            if downstream.knows(after):
                self._reader = reader
            self._notify()
        self._polls += 1
        self._stop_watching()
        try:
            async with asyncio.timeout(wait):
                while self._reader == reader and not downstream.has_after(after):
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self._polls -= 1
            self._watch()
        if self._reader != reader or not downstream.knows(after):
            return Fetched(b"", after, is_replaced=True)
        is_empty = not downstream.has_after(after)
        is_end = downstream.close is not None
        return Fetched(downstream.batch(after), downstream.last, is_end, is_empty=is_empty)

    def leave(self, code: int) -> None:
        """Note that the client closes it, or is gone."""
        self._stop_watching()
        settle(self.handshake, self._refusal)
        self._lose()
        self._end(code)

    # A client that does not come back

    def _watch(self) -> None:
        if not self._polls and self._idle is None and self._end_code is None:
            limit = configuration().FALLBACK_TIMEOUT
            seconds = limit if self._reader else min(FIRST_POLL, limit)
            self._idle = asyncio.get_running_loop().call_later(seconds, self._note_gone)

    def _note_gone(self) -> None:
        self._idle = None
        self.leave(ABNORMAL)

    def _stop_watching(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def virtual_scope(scope: Scope, protocols: Sequence[str]) -> dict[str, Any]:
    """Return the scope of a WebSocket, made of that of the HTTP request that opens it."""
    headers = [(name, value) for name, value in scope.get("headers", ()) if name not in OF_REQUEST]
    if protocols:
        headers.append((b"sec-websocket-protocol", ", ".join(protocols).encode()))
    same = {key: scope[key] for key in KEPT if key in scope}
    return {
        **same,
        "type": "websocket",
        "scheme": "wss" if scope.get("scheme") == "https" else "ws",
        "headers": headers,
        "subprotocols": list(protocols),
        "extensions": {"websocket.http.response": {}},
    }


#: The keys that such a scope takes over.
KEPT = (
    *("asgi", "http_version", "path", "raw_path", "root_path", "query_string"),
    *("client", "server"),
)

#: Headers that describe the request, and not the client.
OF_REQUEST = frozenset(
    (
        *(b"accept", b"content-type", b"content-length", b"content-encoding"),
        *(b"transfer-encoding", b"connection", b"expect", b"channels-workers-transport"),
        *(b"sec-websocket-protocol",),
    )
)
