"""How many new connections are let in in one turn of the event loop.

Server programs accept all who ask, and handle all that was sent in one turn. When thousands come
back at once, such a turn takes seconds, and everybody else waits. So a new connection is not read
before it is its turn: first come, first served.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

#: New connections that are let in in one turn of the event loop.
EACH_TURN = 8


class Arrival(Protocol):
    """A new connection."""

    def hold_arrival(self) -> None:
        """Read nothing of it."""

    def let_in(self) -> None:
        """Read it, if it is still there."""


class Reception:
    """Lets new connections in, ``EACH_TURN`` in each turn of the event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = EACH_TURN
        self._waiting: deque[Arrival] = deque()

    def arrive(self, arrival: Arrival) -> None:
        """Let *arrival* in, now or in a later turn."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._room, self._waiting = loop, EACH_TURN, deque()
        if self._room == EACH_TURN:
            loop.call_soon(self._begin)
        if self._room > 0:
            self._room -= 1
            return
        arrival.hold_arrival()
        self._waiting.append(arrival)

    def _begin(self) -> None:
        """Begin a turn with those who wait."""
        self._room = EACH_TURN
        if not self._waiting:
            return
        assert self._loop is not None  # noqa: S101  (for the type checker)
        self._loop.call_soon(self._begin)
        self._room = 0
        for _ in range(min(EACH_TURN, len(self._waiting))):
            self._waiting.popleft().let_in()


reception = Reception()
