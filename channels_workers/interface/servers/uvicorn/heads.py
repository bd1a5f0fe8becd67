"""Heads of HTTP requests and handshakes of uvicorn, while they come: their size and time."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels_workers.conf import configuration
from channels_workers.interface.servers import parts
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Bytes of a head; as much as h11, and more than a proxy, lets through.
HEAD_SIZE = 64 * 1024

#: Requests that may be pipelined behind one under way.
PIPELINED = 16

BAD_REQUEST, TIMEOUT, TOO_LARGE = b"400 Bad Request", b"408 Request Timeout", b"431 Head Too Large"

#: Where the classes of HTTP stand whose state is known here.
KNOWN = ("uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl")

#: What is needed of an object of these classes, and of its transport.
PARTS = ("cycle", "loop", "server_state", "transport")
TRANSPORT_PARTS = ("abort", "close", "get_protocol", "is_closing", "write")


class BoundedHead:
    """A connection of uvicorn whose client must send whole heads, and soon."""

    cycle: Any
    loop: asyncio.AbstractEventLoop
    pipeline: Any  # of httptools alone; h11 reads on when a request is answered
    server_state: Any
    transport: Any
    _deadline: asyncio.TimerHandle | None = None
    _is_known = True
    _size = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)  # type: ignore[misc]
        missing = parts.missing(self, PARTS) + parts.missing(transport, TRANSPORT_PARTS)
        if missing:
            self._is_known = False
            tell_unbounded(f"this uvicorn has no {', '.join(missing)}")
        else:
            self._expect()

    def data_received(self, data: bytes) -> None:
        """Take *data*; see whether it makes a head whole."""
        if self._is_known:
            self._receive(data)
        else:
            super().data_received(data)  # type: ignore[misc]

    def _receive(self, data: bytes) -> None:
        try:
            super().data_received(data)  # type: ignore[misc]
        except Exception as error:
            if not self._take_back():
                raise
            note_broken(error)
            self._end(BAD_REQUEST)
        if self.transport.get_protocol() is not self:
            self._hand_over(self.transport.get_protocol())
        elif self.cycle is not None and not self.cycle.response_complete:
            self._size = 0
            self._forget()
        elif not self.transport.is_closing():
            self._size += len(data)
            if self._size > HEAD_SIZE:
                self._end(TOO_LARGE)
            elif self._deadline is None:
                self._expect()

    def on_headers_complete(self) -> None:
        """Hear from httptools of a whole head; it makes an object of each that is pipelined."""
        if self._is_known and len(self.pipeline) >= PIPELINED:
            raise ValueError("Too many requests are pipelined.")  # the answer is 400
        super().on_headers_complete()  # type: ignore[misc]

    def connection_lost(self, error: Exception | None) -> None:
        """Wait no more."""
        self._forget()
        super().connection_lost(error)  # type: ignore[misc]

    def _expect(self) -> None:
        seconds = configuration().REQUEST_HEAD_TIMEOUT
        self._deadline = self.loop.call_later(seconds, self._late)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        protocol = self.transport.get_protocol()
        if protocol is self:
            self._end(TIMEOUT if self._size else b"")
        elif not has_begun(protocol):
            self.transport.abort()

    def _take_back(self) -> bool:
        """Forget the WebSocket part, if it broke at this handshake: uvicorn would never stop."""
        connections = self.server_state.connections
        broken = [each for each in connections if each.transport is self.transport]
        connections.difference_update(each for each in broken if each is not self)
        return any(each is not self for each in broken)

    def _hand_over(self, protocol: Any) -> None:
        """Answer a handshake that the WebSocket part has refused, and forgotten to answer."""
        if has_begun(protocol):
            self._forget()
        elif getattr(getattr(protocol, "conn", None), "handshake_exc", None) is not None:
            self._forget()
            answer = b"".join(protocol.conn.data_to_send())
            if not self.transport.is_closing():
                self._end(BAD_REQUEST, answer)
        elif self._deadline is None:
            self._expect()

    def _end(self, status: bytes, answer: bytes = b"") -> None:
        if status:
            head = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
            self.transport.write(answer or head)
        self.transport.close()


_broken = Episodes()


def note_broken(error: Exception) -> None:
    """Say that uvicorn's WebSocket part fails at a handshake."""
    _broken.log(
        logger,
        logging.WARNING,
        "A handshake is answered 400: uvicorn's WebSocket part fails at it, with %s",
        type(error).__name__,
        extra=fields("request_refused"),
    )


def has_begun(protocol: Any) -> bool:
    """Say whether a WebSocket of uvicorn has called the application, which bounds the rest."""
    return hasattr(protocol, "scope")


def bound_heads(send: Any) -> None:
    """Bound the heads of uvicorn whose `send` of lifespan this is; it has begun nothing yet."""
    config = getattr(getattr(send, "__self__", None), "config", None)
    known = getattr(config, "http_protocol_class", None)
    if isinstance(known, type) and issubclass(known, BoundedHead):
        return
    if getattr(known, "__module__", "") not in KNOWN:
        tell_unbounded(f"{known!r} is not known")
        return
    config.http_protocol_class = type("Protocol", (BoundedHead, known), {})  # type: ignore[union-attr, arg-type]


def tell_unbounded(why: str) -> None:
    """Say that clients which send no whole head keep their lines."""
    parts.report(
        "The time for heads of requests is not bounded: %s. Let uvicorn tell of its start "
        "(--lifespan auto) and parse HTTP by h11 or httptools; or put a proxy in front that has "
        "such limits",
        why,
        extra=fields("feature_missing"),
    )
