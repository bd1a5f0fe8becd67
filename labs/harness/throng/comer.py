"""One client of a throng: it opens a socket, and comes back when it is cut or refused."""

from __future__ import annotations

import asyncio
import random
import re
import struct
import time
from collections.abc import Callable

from labs.harness.raw_socket import CLOSE, PING, PONG, frame, handshake

#: The pause after a failure without Retry-After (s): the first, and the longest.
PAUSE, LONGEST_PAUSE = 0.5, 5.0

#: What the room sends to those whom it lets in.
JOINED = b'"joined"'

_retry_after = re.compile(rb"(?i)\r\nretry-after: (\d+)\r\n").search


class Comer(asyncio.Protocol):
    """A client with the name *name* of the room *room*; it calls *changed* with each news."""

    def __init__(self, name: str, room: str, changed: Callable[[Comer, str], None]) -> None:
        self.name = name
        self.room = room
        self.port = 0
        self.is_in = False
        self.is_leaving = False
        self.waited = 0.0  # for the answer to its last handshake (s)
        self._changed = changed
        self._attempts = self._failures = 0
        self._asked = 0.0
        self._read = b""
        self._transport: asyncio.Transport | None = None

    async def ask(self) -> None:
        """Ask the server at *port* for a socket."""
        self._attempts += 1
        self._asked, self._read = time.monotonic(), b""
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        except OSError:
            self._fail("unreachable", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = f"{self.name}.{self._attempts}"
        transport.write(handshake(self.port, f"/room/{self.room}/?key={key}"))

    def data_received(self, data: bytes) -> None:
        """Read the answer, and whether the room lets it in."""
        if self.is_in:
            self._answer(data)
            return
        self._read += data
        if JOINED in self._read and b" 101 " in self._read[:20]:
            self.is_in, self._failures, self._read = True, 0, b""
            self.waited = time.monotonic() - self._asked
            self._changed(self, "in")

    def _answer(self, data: bytes) -> None:
        """Answer a ping, as nothing else is sent to its room."""
        if data[0] & 15 == PING and self._transport is not None:
            self._transport.write(frame(data[2 : 2 + data[1]], PONG))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why it has no socket any more."""
        self._transport = None
        was_in, self.is_in = self.is_in, False
        if self.is_leaving:
            return
        if was_in:
            self._changed(self, "cut")
            return
        self.waited = time.monotonic() - self._asked
        status = self._read.partition(b" ")[2][:3].decode() or "none"
        told = _retry_after(self._read)
        self._fail(status, int(told[1]) if told else None)

    def _fail(self, status: str, told: int | None) -> None:
        """Come back later: when the server said, or after a growing pause; never all at once."""
        self._failures += 1
        pause = min(LONGEST_PAUSE, PAUSE * 2**self._failures) if told is None else told
        self._changed(self, status)
        self.come_in(pause * random.uniform(1, 1.5))

    def come_in(self, seconds: float) -> None:
        """Ask after so many seconds."""
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, lambda: self.is_leaving or loop.create_task(self.ask()))

    def leave(self) -> None:
        """Close the socket."""
        self.is_leaving = True
        if self._transport is not None:
            self._transport.write(frame(struct.pack("!H", 1000), CLOSE))
            self._transport.close()
