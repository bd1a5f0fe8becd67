"""The time at which a socket is closed, such as that of its token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: The longest time between two looks at the clock (s). The event loop does not notice when
#: somebody sets the clock of the machine.
LONGEST_LOOK = 60.0


class Expiry:
    """Calls *expired* once, in the event loop, after the clock has passed a time that may move."""

    __slots__ = ("_expired", "_timer", "_when")

    def __init__(self, expired: Callable[[], object]) -> None:
        self._expired = expired
        self._when = 0.0  # Unix time
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Expire at *when*, a Unix time (s), instead of the time before."""
        self._when = when
        self.cancel()
        self._look()

    def _look(self) -> None:
        left = self._when - time.time()
        if left <= 0:
            self._timer = None
            self._expired()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(left, LONGEST_LOOK), self._look)

    def cancel(self) -> None:
        """Do not expire."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
