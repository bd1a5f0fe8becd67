"""The gate of a client of uvicorn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.servers.gate import PIECE, Gate
from channels_workers.interface.servers.uvicorn import deflate, handshakes
from channels_workers.interface.types import Event, Receive

#: Pieces of compressed frames (bytes), which may inflate to 512 KiB each; and how much of all
#: clients in one turn of the event loop (bytes), which may inflate to 16 MiB.
COMPRESSED_PIECE, COMPRESSED_TURN = 512, 16 * 1024

#: How many messages uvicorn's older implementation may queue for the application.
QUEUE = 4

#: What the gate needs of uvicorn's protocol: of each implementation, and of one or the other.
PARTS = ("config", "ping_timeout", "transport")
PARTS_OF_QUEUE = ("pending_ping_payload", "pong_timer", "queue", "read_paused", "schedule_ping")
PARTS_OF_MESSAGES = ("max_queue", "max_size", "messages", "pings")
PARTS_OF_CONFIG = ("ws_max_size", "ws_per_message_deflate", "ws_ping_timeout")

TRANSPORT_PARTS = (
    *("abort", "get_extra_info", "get_protocol", "get_write_buffer_size", "is_closing"),
    *("pause_reading", "resume_reading", "set_protocol"),
)

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


#: The classes of protocols and transports that have all parts.
_complete: set[tuple[type, type]] = set()


def missing_parts(send: Any) -> list[str]:
    """Return what a :class:`UvicornGate` needs and this uvicorn does not have."""
    protocol = send.__self__
    transport: Any = getattr(protocol, "transport", None)
    kinds = type(protocol), type(transport)
    if kinds not in _complete:
        if missing := _missing_parts(protocol, transport):
            return missing
        _complete.add(kinds)
    return [] if transport.get_protocol() is protocol else ["protocol at its transport"]


def _missing_parts(protocol: Any, transport: Any) -> list[str]:
    mine = PARTS_OF_MESSAGES if hasattr(protocol, "messages") else PARTS_OF_QUEUE
    config = getattr(protocol, "config", None)
    missing = [f"protocol.{name}" for name in parts.missing(protocol, (*PARTS, *mine))]
    missing += [f"config.{name}" for name in parts.missing(config, PARTS_OF_CONFIG)]
    missing += [f"transport.{name}" for name in parts.missing(transport, TRANSPORT_PARTS)]
    if message_limit(protocol) is None:
        missing.append("limit of messages")
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
    """The gate of a client of uvicorn: it stands between asyncio's transport and its protocol."""

    __slots__ = (
        *("_comes_back", "_is_compressed", "_is_direct", "_is_older", "_message_size"),
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
        self._is_compressed = self._comes_back = self._is_direct = False
        self._is_older = hasattr(self._protocol, "messages")  # --ws websockets
        self._transport.set_protocol(self)

    def open(self) -> None:
        """Note that the handshake is accepted, and what was agreed in it."""
        if self._protocol is not None:
            self._is_compressed = self._may_be_compressed()
            self._piece_size = COMPRESSED_PIECE if self._is_compressed else PIECE
            self._bound_messages()
            handshakes.forget(self._protocol)
            if self._is_compressed:
                deflate.forget(self._agreed() or ())
        super().open()

    def _may_be_compressed(self) -> bool:
        agreed = self._agreed()
        may_be: bool = self._protocol.config.ws_per_message_deflate
        return may_be if agreed is None else bool(agreed)

    def _agreed(self) -> Any:
        """Return the extensions that client and server agreed on, None if that is not known."""
        return getattr(getattr(self._protocol, "conn", None), "extensions", None)

    def _bound_messages(self) -> None:
        protocol = self._protocol
        if limit := message_limit(protocol):
            setattr(*limit, min(self._message_size, protocol.config.ws_max_size))
        if self._is_older:
            protocol.max_queue = min(protocol.max_queue or QUEUE, QUEUE)

    # For the transport

    data_received = Gate.take

    def eof_received(self) -> bool | None:
        """Note that the client sends no more."""
        kept: bool | None = self._protocol.eof_received()
        return kept

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection."""
        protocol = self._protocol
        self.shut()
        self._protocol = self._transport = None  # Python frees it sooner without circles
        if self._is_direct:
            del protocol.queue.put_nowait
        protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Note that it does."""
        self._protocol.resume_writing()

    # For the socket

    def descriptor(self) -> int:
        """Return the file descriptor of the connection; -1 if it has none."""
        line = self._transport.get_extra_info("socket") if self._transport is not None else None
        return int(line.fileno()) if line is not None else -1

    def unsent(self) -> int:
        """Return how many bytes were written that the client has not read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def hand_frames_to(self, take: Callable[[Event], object], receive: Receive) -> None:
        """Hand each frame to *take* at once, if *receive* is uvicorn's own."""
        protocol = self._protocol
        if self._is_older or not parts.is_method_of(protocol, receive):
            return
        queue = protocol.queue
        put = queue.put_nowait

        def hand_on(event: Event) -> None:
            if event["type"] == "websocket.receive" and queue.empty():
                protocol.read_paused = True  # so that it does not pause until a task takes this
                take(event)
            else:
                put(event)

        queue.put_nowait = hand_on
        self._is_direct = True

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
        if self._comes_back or self._has_untaken():
            return True
        if not self._is_compressed or compressed_turn.take():
            return False
        self._come_back_soon()
        return True

    def _has_untaken(self) -> bool:
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
        is_uvicorns = not self._is_direct and getattr(self._protocol, "read_paused", False)
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
