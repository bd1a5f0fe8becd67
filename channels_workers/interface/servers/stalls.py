"""Notices that clients have left whose lines are not read, which no server does."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: How often it looks (s).
INTERVAL = 1.0

#: What tells of an end while what came before it has not been read; Linux alone has the first, and
#: Windows none.
ENDS = sum(getattr(select, name, 0) for name in ("POLLRDHUP", "POLLHUP", "POLLERR"))

#: How a client that is gone without a word is found out: after so long without any answer of its
#: kernel (s), asked so often (s).
SILENCE, PROBES = 60, 15


class StallDetector:
    """Lines that are not read, each with what is to be called when its client has left."""

    def __init__(self) -> None:
        self._poll: Any = select.poll() if ENDS else None
        self._lines: dict[int, Callable[[], object]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, descriptor: int, ended: Callable[[], object]) -> None:
        """Call *ended* once when the client of the line has left."""
        if descriptor < 0 or self._poll is None:
            return
        self._lines[descriptor] = ended
        self._poll.register(descriptor, ENDS)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._look)

    def discard(self, descriptor: int, ended: Callable[[], object]) -> None:
        """Do not look at the line any more, if it still is this one."""
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
    """Let the kernel end a line whose other end answers nothing, as far as the system can."""
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
