"""How many new connections and handshakes a server takes in one turn of its event loop.

Server programs accept all who ask, and handle all that was sent in one turn. When thousands come
back at once, such a turn takes seconds, and everybody else waits. So both take their turn, first
come, first served: a connection before it is read, and a handshake before it begins. Heads are
cheap to read, so requests of HTTP get past the handshakes that wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from channels_workers.interface.servers.upgrades import may_be_upgrade

#: New connections that are let in in one turn of the event loop, and handshakes that begin in it.
CONNECTIONS, HANDSHAKES = 64, 8


class Arrival(Protocol):
    """A new connection or handshake."""

    def hold_arrival(self) -> None:
        """Let it wait."""

    def let_in(self) -> bool:
        """Begin with it, unless its client is gone; say whether it was there."""


class Reception:
    """Lets those who arrive in, *each_turn* of them in each turn of the event loop."""

    def __init__(self, each_turn: int) -> None:
        self.each_turn = each_turn
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = each_turn
        self._waiting: deque[Arrival] = deque()

    def arrive(self, arrival: Arrival) -> bool:
        """Say whether *arrival* is in now; else it is let in in a later turn."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._room, self._waiting = loop, self.each_turn, deque()
        if self._room == self.each_turn:
            loop.call_soon(self._begin)
        if self._room > 0:
            self._room -= 1
            return True
        arrival.hold_arrival()
        self._waiting.append(arrival)
        return False

    def _begin(self) -> None:
        """Begin a turn with those who wait; those who are gone take no place."""
        self._room = self.each_turn
        if not self._waiting:
            return
        assert self._loop is not None  # noqa: S101  (for the type checker)
        self._loop.call_soon(self._begin)
        room, self._room = self._room, 0
        while room and self._waiting:
            room -= self._waiting.popleft().let_in()


class HeldHandshake:
    """A handshake that waits: *take* gets its *head*, and *abort* ends it if that fails."""

    def __init__(
        self, head: bytes, take: Callable[[bytes], object], abort: Callable[[], object]
    ) -> None:
        self._head: bytes | None = head
        self._take = take
        self._abort = abort

    def hold_arrival(self) -> None:
        """Wait. The connection is read on, so its end is noticed."""

    def let_in(self) -> bool:
        """Hand the head on."""
        head, self._head = self._head, None
        if head is None:
            return False
        try:
            self._take(head)
        except Exception:
            self._abort()
            raise
        return True

    def drop(self) -> None:
        """Forget a handshake whose client is gone."""
        self._head = None


connections = Reception(CONNECTIONS)
handshakes = Reception(HANDSHAKES)


def hold(
    data: bytes, take: Callable[[bytes], object], abort: Callable[[], object]
) -> HeldHandshake | None:
    """Return the handshake that *data*, the first of a connection, are, if it has to wait."""
    if not may_be_upgrade(data):
        return None
    held = HeldHandshake(data, take, abort)
    return None if handshakes.arrive(held) else held
