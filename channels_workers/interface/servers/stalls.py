"""Notices that a client has left while it is held back, which no server program does."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: How often it polls (s).
INTERVAL = 1.0

#: Poll events of an end, even while earlier data are still unread. Linux alone has the first, and
#: Windows none.
ENDS = sum(getattr(select, name, 0) for name in ("POLLRDHUP", "POLLHUP", "POLLERR"))

#: Half-open connections: ended after so long without an answer of the client's kernel (s), probed
#: so often (s).
SILENCE, PROBES = 60, 15


class StallDetector:
    """Connections that are not read, each with a callback for the end of its client."""

    def __init__(self) -> None:
        self._poll: Any = select.poll() if ENDS else None
        self._lines: dict[int, Callable[[], object]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, descriptor: int, ended: Callable[[], object]) -> None:
        """Call *ended* once when the client of *descriptor* has left."""
        if descriptor < 0 or self._poll is None:
            return
        self._lines[descriptor] = ended
        self._poll.register(descriptor, ENDS)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._look)

    def discard(self, descriptor: int, ended: Callable[[], object]) -> None:
        """Stop watching *descriptor*, unless another connection has it by now."""
        if self._lines.get(descriptor) == ended:
            del self._lines[descriptor]
            with suppress(KeyError, OSError):
                self._poll.unregister(descriptor)

    def _look(self) -> None:
        self._timer = None
        for descriptor, _ in self._poll.poll(0):
            if ended := self._lines.get(descriptor):
                self.discard(descriptor, ended)
                ended()
        if self._lines:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._look)


def ask_for_answers(descriptor: int) -> None:
    """Let the kernel detect a half-open connection, as far as the system supports it."""
    if descriptor < 0:
        return
    options = {"TCP_KEEPIDLE": PROBES, "TCP_KEEPINTVL": PROBES, "TCP_KEEPCNT": SILENCE // PROBES}
    options["TCP_USER_TIMEOUT"] = SILENCE * 1000
    with suppress(OSError), socket.socket(fileno=descriptor) as line:
        try:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in options.items():
                with suppress(OSError, AttributeError):  # no TCP, or not Linux
                    line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        finally:
            line.detach()
