"""What is known of uvicorn's private parts."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels_workers.conf import configuration
from channels_workers.logs import Episode, fields
from channels_workers.servers import kernel

logger = logging.getLogger(__name__)


def is_of_uvicorn(send: Any) -> bool:
    """Say whether *send* is uvicorn's own: a method of its protocol."""
    owner = type(getattr(send, "__self__", None))
    return owner.__module__.startswith("uvicorn.")


def transport_of(send: Any) -> asyncio.WriteTransport | None:
    """Return the transport that uvicorn's *send*, a method of its protocol, writes to."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if isinstance(transport, asyncio.WriteTransport) else None


# Answers to HTTP requests


class AnswerLine:
    """The line of one HTTP request of uvicorn, whose `send` waits while it is full."""

    def __init__(self, transport: Any) -> None:
        self.key = transport

    def unsent(self) -> int:
        """Return how many bytes the transport holds that the client has not taken."""
        return int(self.key.get_write_buffer_size())

    def unread(self) -> int:
        """Return how many bytes these are, and those in the kernel that were not read."""
        return self.unsent() + kernel.unread_bytes(self.key.get_extra_info("socket"))

    async def room(self) -> None:
        """Leave it to `send`."""

    def cut(self) -> None:
        """Drop the line with all that waits."""
        self.key.abort()

    def release(self) -> None:
        """Do nothing."""


def answer_line(send: Any) -> AnswerLine | None:
    """Return the line that uvicorn's *send* writes to; None for a *send* that is not uvicorn's."""
    if not is_of_uvicorn(send):
        return None
    transport = getattr(send.__self__, "transport", None)
    parts = ("get_write_buffer_size", "abort")
    return AnswerLine(transport) if all(hasattr(transport, part) for part in parts) else None


# Heads of requests and handshakes, while they come

#: Bytes of a head; as much as h11, and more than a proxy, lets through.
HEAD_SIZE = 64 * 1024

#: Requests that may be pipelined behind one under way.
PIPELINED = 16

BAD_REQUEST, TIMEOUT, TOO_LARGE = b"400 Bad Request", b"408 Request Timeout", b"431 Head Too Large"

#: Where the classes of HTTP stand whose state is known here.
KNOWN = ("uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl")


class BoundedHead:
    """A connection of uvicorn whose client must send whole heads, and soon."""

    cycle: Any
    loop: asyncio.AbstractEventLoop
    pipeline: Any  # of httptools alone; h11 reads on when a request is answered
    server_state: Any
    transport: Any
    _deadline: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)  # type: ignore[misc]
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take *data*; see whether it makes a head whole."""
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
        if len(self.pipeline) >= PIPELINED:
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


_broken = Episode()


def note_broken(error: Exception) -> None:
    """Say that uvicorn's WebSocket part fails at a handshake."""
    if _broken.is_new():
        logger.warning(
            "A handshake is answered 400: uvicorn's WebSocket part fails at it, with %s. Said "
            "once, until none was for a minute",
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
    logger.warning(
        "The time for heads of requests is not bounded: %s. Let uvicorn tell of its start "
        "(--lifespan auto) and parse HTTP by h11 or httptools; or put a proxy in front that has "
        "such limits",
        why,
        extra=fields("feature_missing"),
    )
