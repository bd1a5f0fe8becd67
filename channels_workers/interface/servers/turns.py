"""How long what clients have sent is handled in one turn of the event loop.

Servers answer pings by themselves, so no limit of frames counts them: 20 clients that send nothing
else would keep the event loop from everything, the heartbeat of the process included.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

#: For how long data of clients are handed on in one turn of the event loop (s).
TURN = 0.005


class Waiting(Protocol):
    """A gate that has more to hand on."""

    def come_back(self) -> None:
        """Hand on the next piece."""


class Turns:
    """Lets gates hand on one piece after the other, for *TURN* in each turn of the event loop."""

    def __init__(self) -> None:
        self.clock = time.monotonic
        self._loop: asyncio.AbstractEventLoop | None = None
        self._until: float | None = None  # monotonic seconds; None before the first piece
        self._waiting: deque[Waiting] = deque()

    def may_go_on(self) -> bool:
        """Say whether there is time for a piece in this turn, and nobody waits for it."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody could come back
            return True
        if loop is not self._loop:
            self._loop, self._until, self._waiting = loop, None, deque()
        now = self.clock()
        if self._until is None:
            self._until = now + TURN
            loop.call_soon(self._begin)
        return now < self._until and not self._waiting

    def wait(self, gate: Waiting) -> None:
        """Let *gate* come back in a later turn, behind those that wait already."""
        self._waiting.append(gate)

    def _begin(self) -> None:
        """Begin a turn: one piece of each gate that waits, as long as there is time."""
        self._until, waiting = None, self._waiting
        if not waiting or self._loop is None:
            return
        self._until = until = self.clock() + TURN
        self._loop.call_soon(self._begin)
        for _ in range(len(waiting)):
            waiting.popleft().come_back()
            if self.clock() >= until:
                return


turns = Turns()
