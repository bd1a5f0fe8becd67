"""What is known of uvicorn's private parts."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable
from typing import Any

from channels_workers.conf import configuration
from channels_workers.interface.servers import kernel
from channels_workers.interface.servers.gate import PIECE, Gate
from channels_workers.log_limits import Episodes, fold_client_lines
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Of compressed frames a server gets so much at once (bytes), which may become 512 KiB, and in a
#: turn of its event loop so much of all clients, which may become 16 MiB.
COMPRESSED_PIECE, COMPRESSED_TURN = 512, 16 * 1024

#: When the line of a client is dropped that does not read our close frame (s): uvicorn itself waits
#: 10 s for its answer.
ABORT_TIMEOUT = 15.0

#: How many messages uvicorn's older implementation may keep that the application has not taken.
QUEUE = 4


def fold_lines() -> None:
    """Let the log say once what clients cause again: a stack trace for each frame not in UTF-8."""
    lines = "Invalid UTF-8 sequence received from client.", "Invalid HTTP request received."
    fold_client_lines("uvicorn.error", lines)


def is_of_uvicorn(send: Any) -> bool:
    """Say whether *send* is uvicorn's own: a method of its protocol."""
    owner = type(getattr(send, "__self__", None))
    return owner.__module__.startswith("uvicorn.")


def transport_of(send: Any) -> asyncio.WriteTransport | None:
    """Return the transport that uvicorn's *send*, a method of its protocol, writes to."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if isinstance(transport, asyncio.WriteTransport) else None


def unsent_bytes(send: Any) -> int:
    """Return how much the transport of uvicorn's *send* holds that its peer has not read."""
    transport = transport_of(send)
    return transport.get_write_buffer_size() if transport is not None else 0


def abort_later(send: Any) -> None:
    """Drop the line some time after a close frame, if it is still there.

    uvicorn closes its transport then, which waits without end for a client that reads nothing.
    """
    transport = transport_of(send)
    if transport is not None:
        loop = asyncio.get_running_loop()
        loop.call_later(ABORT_TIMEOUT, _abort, weakref.ref(transport))


def _abort(reference: weakref.ref[asyncio.WriteTransport]) -> None:
    transport = reference()
    if transport is not None:
        transport.abort()


#: What the gate needs of uvicorn's protocol: of each implementation, and of one or the other.
PARTS = ("config", "ping_timeout", "transport")
PARTS_OF_QUEUE = ("pending_ping_payload", "pong_timer", "queue", "read_paused", "schedule_ping")
PARTS_OF_MESSAGES = ("max_queue", "max_size", "messages", "pings")
PARTS_OF_CONFIG = ("ws_max_size", "ws_per_message_deflate", "ws_ping_timeout")

#: Where the limit of a message stands: in the protocol itself (``--ws websockets``), its buffer
#: (``--ws wsproto``), or its connection, whose attribute has another name in older releases.
LIMITS = (
    *(("", "max_size"), ("buffer", "max_length")),
    *(("conn", "max_message_size"), ("conn", "max_size")),
)


def message_limit(protocol: Any) -> tuple[Any, str] | None:
    """Return the object and the attribute that bound a message; None if there is none."""
    for part, name in LIMITS:
        owner = getattr(protocol, part, None) if part else protocol
        if hasattr(owner, name):
            return owner, name
    return None


def missing_parts(send: Any) -> list[str]:
    """Return what a :class:`UvicornGate` needs and this uvicorn has not."""
    protocol = send.__self__
    mine = PARTS_OF_MESSAGES if hasattr(protocol, "messages") else PARTS_OF_QUEUE
    missing = [f"protocol.{name}" for name in (*PARTS, *mine) if not hasattr(protocol, name)]
    config = getattr(protocol, "config", None)
    missing += [f"config.{name}" for name in PARTS_OF_CONFIG if not hasattr(config, name)]
    if message_limit(protocol) is None:
        missing.append("limit of messages")
    transport = getattr(protocol, "transport", None)
    get_protocol = getattr(transport, "get_protocol", None)
    if get_protocol is None or get_protocol() is not protocol:
        missing.append("transport.get_protocol")
    return missing


class CompressedTurn:
    """How much of compressed frames may still be handed on in this turn of the event loop."""

    def __init__(self) -> None:
        self._left = COMPRESSED_TURN

    def take(self) -> bool:
        """Say whether a piece may be handed on now."""
        if self._left == COMPRESSED_TURN:
            asyncio.get_running_loop().call_soon(self._begin)
        self._left -= COMPRESSED_PIECE
        return self._left >= 0

    def _begin(self) -> None:
        self._left = COMPRESSED_TURN


compressed_turn = CompressedTurn()


class UvicornGate(Gate, asyncio.Protocol):
    """The gate of a line of uvicorn: it stands between asyncio's transport and its protocol."""

    __slots__ = (
        *("_comes_back", "_is_compressed", "_is_older", "_message_size"),
        *("_protocol", "_transport"),
    )

    can_hold = True

    def __init__(
        self,
        send: Any,
        message_size: int,
        heard: Callable[[], object],
        broken: Callable[[], object],
    ) -> None:
        super().__init__(heard, broken)
        self._protocol: Any = send.__self__
        self._transport: Any = self._protocol.transport
        self._message_size = message_size
        self._is_compressed = self._comes_back = False
        self._is_older = hasattr(self._protocol, "messages")  # --ws websockets
        self._transport.set_protocol(self)

    def open(self) -> None:
        """Note that the handshake is accepted, and what was agreed in it."""
        if self._protocol is not None:
            self._is_compressed = self._may_be_compressed()
            self._bound_messages()
        super().open()

    def _may_be_compressed(self) -> bool:
        agreed = getattr(getattr(self._protocol, "conn", None), "extensions", None)
        may_be: bool = self._protocol.config.ws_per_message_deflate
        return may_be if agreed is None else bool(agreed)

    def _bound_messages(self) -> None:
        protocol = self._protocol
        if limit := message_limit(protocol):
            setattr(*limit, min(self._message_size, protocol.config.ws_max_size))
        if self._is_older:
            protocol.max_queue = min(protocol.max_queue or QUEUE, QUEUE)

    # For the transport

    def data_received(self, data: bytes) -> None:
        """Take what came from the client."""
        self.take(data)

    def eof_received(self) -> bool | None:
        """Note that the client sends no more."""
        kept: bool | None = self._protocol.eof_received()
        return kept

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the line."""
        protocol = self._protocol
        self.shut()
        self._protocol = self._transport = None  # Python frees it sooner without circles
        protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Note that it does."""
        self._protocol.resume_writing()

    # For the socket

    def descriptor(self) -> int:
        """Return the number of the file of the line; -1 if it has none."""
        line = self._transport.get_extra_info("socket") if self._transport is not None else None
        return int(line.fileno()) if line is not None else -1

    def unsent(self) -> int:
        """Return how many bytes were written that the client has not read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _piece(self) -> int:
        return COMPRESSED_PIECE if self._is_compressed else PIECE

    def _may_hand_on(self) -> bool:
        if not super()._may_hand_on() or self._comes_back:
            return False
        if self._is_compressed and not compressed_turn.take():
            self._come_back_soon()
            return False
        return True

    def _come_back_soon(self) -> None:
        self._comes_back = True
        asyncio.get_running_loop().call_soon(self._come_back)

    def _come_back(self) -> None:
        self._comes_back = False
        if self._protocol is not None:
            self.go_on()

    def _fragments(self) -> int:
        return len(getattr(self._protocol, "frames", ()))

    def _is_busy(self) -> bool:
        protocol = self._protocol
        if self._is_older:
            return bool(len(protocol.messages) >= protocol.max_queue)
        return not protocol.queue.empty()

    def _hand_on(self, data: bytes) -> None:
        self._protocol.data_received(data)
        if self._is_older and not self._comes_back:
            self._come_back_soon()  # a task of it makes frames of the data

    def _stop_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def _resume(self) -> None:
        # uvicorn pauses, too: until the application has taken what it got.
        is_uvicorns = getattr(self._protocol, "read_paused", False)
        if self._transport is not None and not self._transport.is_closing() and not is_uvicorns:
            self._transport.resume_reading()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _expect_pongs(self, is_expected: bool) -> None:
        # uvicorn goes on to send pings, which keeps proxies content.
        protocol = self._protocol
        if protocol is None:
            return
        protocol.ping_timeout = protocol.config.ws_ping_timeout if is_expected else None
        if is_expected:
            return
        if self._is_older:
            for waiter, _ in protocol.pings.values():
                if not waiter.done():
                    waiter.set_result(0.0)
            protocol.pings.clear()
        elif protocol.pong_timer is not None:
            protocol.pong_timer.cancel()
            protocol.pong_timer = protocol.pending_ping_payload = None
            protocol.schedule_ping()


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
    logger.warning(
        "The time for heads of requests is not bounded: %s. Let uvicorn tell of its start "
        "(--lifespan auto) and parse HTTP by h11 or httptools; or put a proxy in front that has "
        "such limits",
        why,
        extra=fields("feature_missing"),
    )
