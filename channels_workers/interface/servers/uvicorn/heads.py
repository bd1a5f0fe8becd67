"""Heads of HTTP requests and handshakes of uvicorn, while they come: their size and time."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels_workers.conf import configuration
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.reception import HeldHandshake, connections, hold
from channels_workers.interface.servers.upgrades import read_upgrade
from channels_workers.interface.servers.uvicorn.handshakes import begin
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Largest head (bytes): the limit of h11, and more than proxies allow.
HEAD_SIZE = 64 * 1024

#: How many requests may be pipelined behind one in flight.
PIPELINED = 16

BAD_REQUEST, TIMEOUT, TOO_LARGE = b"400 Bad Request", b"408 Request Timeout", b"431 Head Too Large"

#: The modules of uvicorn's HTTP classes that this module can extend.
KNOWN = ("uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl")

#: What is needed of an object of these classes, and of its transport.
PARTS = ("cycle", "loop", "server_state", "transport")
TRANSPORT_PARTS = (
    *("abort", "close", "get_protocol", "is_closing", "pause_reading", "resume_reading"),
    "write",
)

#: What is needed of it, and of its configuration, to hand a handshake to a WebSocket protocol.
UPGRADE_PARTS = ("app_state", "config", "connections", "ws_protocol_class")
CONFIG_PARTS = ("ws_protocol_class",)
ARGUMENTS = {"app_state", "config", "server_state"}


class BoundedHead:
    """A connection of uvicorn with a time-out and a size limit for heads.

    Its HTTP parser is made when the first data are there, unless they are a handshake that needs
    none. The first connection of a process tells whether uvicorn has the parts for this.
    """

    #: Whether the parser is made later, by :meth:`_make`.
    is_lazy = False

    cycle: Any = None
    loop: asyncio.AbstractEventLoop
    pipeline: Any  # of httptools alone; h11 reads on when a request is answered
    server_state: Any
    transport: Any
    _arguments: dict[str, Any] | None = None  # of the parser that is not made yet
    _deadline: asyncio.TimerHandle | None = None
    _held: HeldHandshake | None = None
    _is_known = True
    _size = 0

    def __init__(self, **arguments: Any) -> None:
        if self.is_lazy and arguments.keys() >= ARGUMENTS:
            self._arguments = arguments
            self.loop = arguments.get("_loop") or asyncio.get_running_loop()
            self.server_state = arguments["server_state"]
        else:
            super().__init__(**arguments)

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        if self._arguments is not None:
            self.transport = transport
            self.server_state.connections.add(self)
            self._arrive()
            return
        super().connection_made(transport)  # type: ignore[misc]
        missing = parts.missing(self, PARTS) + parts.missing(transport, TRANSPORT_PARTS)
        if missing:
            self._is_known = False
            tell_unbounded(f"this uvicorn has no {', '.join(missing)}")
        else:
            type(self).is_lazy = _can_be_lazy(self)
            self._arrive()

    def data_received(self, data: bytes) -> None:
        """Take *data*, and check whether the head is complete."""
        if not self._is_known:
            super().data_received(data)  # type: ignore[misc]
        elif self._held is not None:  # a client has to wait for the answer to its handshake
            self._end(BAD_REQUEST)
        elif self._size or self.cycle is not None or not self._holds(data):
            self._receive(data)

    def _holds(self, first: bytes) -> bool:
        """Say whether the *first* data are a handshake that waits for its turn."""
        self._held = hold(first, self._receive_held, self.transport.abort)
        if self._held is not None:
            self._forget()
        return self._held is not None

    def _receive_held(self, data: bytes) -> None:
        self._held = None
        if not self.transport.is_closing():
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        try:
            self._hand_on(data)
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

    def _arrive(self) -> None:
        if connections.arrive(self):
            self._expect()

    def hold_arrival(self) -> None:
        """Read nothing of a client that has just come."""
        self.transport.pause_reading()

    def let_in(self) -> bool:
        """Read it, if it is still there. The time for its head begins now."""
        is_there = not self.transport.is_closing()
        if is_there:
            self.transport.resume_reading()
            self._expect()
        return is_there

    def _hand_on(self, data: bytes) -> None:
        if self._arguments is None or not self._upgraded(self._arguments, data):
            super().data_received(data)  # type: ignore[misc]

    def _upgraded(self, arguments: dict[str, Any], first: bytes) -> bool:
        """Hand the *first* data to a WebSocket protocol if they are a handshake; else make ours."""
        kind = arguments["config"].ws_protocol_class
        upgrade = read_upgrade(first) if kind is not None else None
        if upgrade is None:
            self._make(arguments)
            return False
        state = self.server_state
        state.connections.discard(self)
        protocol = kind(
            config=arguments["config"], server_state=state, app_state=arguments["app_state"]
        )
        protocol.connection_made(self.transport)
        begin(protocol, upgrade)
        self.transport.set_protocol(protocol)
        return True

    def _make(self, arguments: dict[str, Any]) -> None:
        transport, self._arguments = self.transport, None
        super().__init__(**arguments)
        super().connection_made(transport)  # type: ignore[misc]

    def on_headers_complete(self) -> None:
        """Take a complete head from httptools, which makes an object of each pipelined request."""
        if self._is_known and len(self.pipeline) >= PIPELINED:
            raise ValueError("Too many requests are pipelined.")  # the answer is 400
        super().on_headers_complete()  # type: ignore[misc]

    def connection_lost(self, error: Exception | None) -> None:
        """Stop the time-out."""
        self._forget()
        if self._held is not None:
            self._held.drop()
        if self._arguments is None:
            super().connection_lost(error)  # type: ignore[misc]
        else:
            self.server_state.connections.discard(self)

    def shutdown(self) -> None:
        """Close the connection when nothing of it is under way, as uvicorn stops."""
        if self._arguments is None:
            super().shutdown()  # type: ignore[misc]
        else:
            self.transport.close()

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
        """Forget a WebSocket protocol that failed at its handshake; uvicorn would never stop."""
        connections = self.server_state.connections
        broken = [each for each in connections if each.transport is self.transport]
        connections.difference_update(each for each in broken if each is not self)
        return any(each is not self for each in broken)

    def _hand_over(self, protocol: Any) -> None:
        """Answer a handshake that the WebSocket protocol has refused without an answer."""
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


def _can_be_lazy(made: BoundedHead) -> bool:
    """Say whether a handshake can be handed on without the parser of a connection like *made*."""
    config = getattr(made, "config", None)
    return not (parts.missing(made, UPGRADE_PARTS) or parts.missing(config, CONFIG_PARTS))


_broken = Episodes()


def note_broken(error: Exception) -> None:
    """Log that uvicorn's WebSocket protocol failed at a handshake."""
    _broken.log(
        logger,
        logging.WARNING,
        "A handshake is answered 400: uvicorn's WebSocket protocol failed at it, with %s",
        type(error).__name__,
        extra=fields("request_refused"),
    )


def has_begun(protocol: Any) -> bool:
    """Say whether a WebSocket of uvicorn has called the application, which has its own limits."""
    return hasattr(protocol, "scope")


def bound_heads(send: Any) -> None:
    """Set limits for heads on the uvicorn whose lifespan `send` this is, before it serves."""
    config = getattr(getattr(send, "__self__", None), "config", None)
    known = getattr(config, "http_protocol_class", None)
    if isinstance(known, type) and issubclass(known, BoundedHead):
        return
    if getattr(known, "__module__", "") not in KNOWN:
        tell_unbounded(f"{known!r} is not known")
        return
    config.http_protocol_class = type("Protocol", (BoundedHead, known), {})  # type: ignore[union-attr, arg-type]


def tell_unbounded(why: str) -> None:
    """Log that nothing ends clients which send no complete head."""
    parts.report(
        "The time for heads of requests is not bounded: %s. Let uvicorn tell of its start "
        "(--lifespan auto) and parse HTTP by h11 or httptools; or put a proxy in front that has "
        "such limits",
        why,
        extra=fields("feature_missing"),
    )
