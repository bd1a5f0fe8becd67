"""How many messages a thread pulls at once."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Protocol

#: The longest wait of a finished message for others, to be committed in one request (s), and the
#: most messages in one request.
BATCH_WINDOW, BATCH_SIZE = 0.002, 32

#: The least weight of a run that was quicker than the pace of its thread; a slower run weighs 1.
#: Run *n* weighs 1/n, as the first runs of a process are slow by imports and new connections.
PACE_DECAY = 0.01

#: The weight of a run among the waits for the layer. A late answer counts as at most twice the
#: usual wait and this (s).
WAIT_WEIGHT, WAIT_STEP = 0.05, 0.0001


#: How many short waits show whether the system counts them.
WAITS = 3


class Usage(Protocol):
    """What the system tells of a thread."""

    @property
    def ru_nvcsw(self) -> int:
        """How often it has waited for something."""

    @property
    def ru_utime(self) -> float:
        """Its CPU time outside the system (s)."""

    @property
    def ru_stime(self) -> float:
        """Its CPU time inside the system (s)."""


#: Looks at the usage of the running thread.
Look = Callable[[], Usage]


@cache
def look_at_thread() -> Look | None:
    """Return what looks, or None where the system does not count waits: some sandboxes do not."""
    if not hasattr(resource, "RUSAGE_THREAD"):  # it is no Linux
        return None
    look = partial(resource.getrusage, resource.RUSAGE_THREAD)
    before = look()
    for _ in range(WAITS):
        time.sleep(0.001)  # on a full machine it may be over before the thread has begun to wait
    return look if look().ru_nvcsw > before.ru_nvcsw else None


class Pace:
    """How many messages a thread pulls at once: as many as it is likely to run in a batch.

    *look* returns the usage of the thread. None where the system does not tell it.
    """

    def __init__(self, look: Look | None = None) -> None:
        self._look = look
        self._before: Usage | None = None
        self._seconds = BATCH_WINDOW  # that a run takes, by experience, without its waits
        self._waits = 0.0  # that a run usually waits for the layer (s)
        self._runs = 1
        self.count = 1

    def look(self) -> None:
        """Look at the usage of the thread before its next runs.

        This costs a call of the system. It pays before several runs, and while the count is 1.
        """
        self._before = self._look() if self._look is not None else None

    def note(self, seconds: float, waited: float = 0.0) -> None:
        """Note how long a run took, of which it *waited* for the layer (both in s).

        A slow consumer may well be slow again. A late answer of the layer says little about the
        next one, and so does a run in which other processes had the CPU.
        """
        own = max(seconds - waited, 1e-6)  # as coroutines of one consumer may wait at once
        if own > BATCH_WINDOW and (before := self._before) is not None and self._look is not None:
            self._before = now = self._look()
            worked = now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime
            if now.ru_nvcsw == before.ru_nvcsw and worked < own / 2:  # it only lacked the CPU
                return
        self._runs += 1
        weight = 1.0 if own > self._seconds else max(PACE_DECAY, 1 / self._runs)
        self._seconds += (own - self._seconds) * weight
        waited = min(waited, 2 * self._waits + WAIT_STEP)
        self._waits += (waited - self._waits) * WAIT_WEIGHT
        self.count = max(1, min(BATCH_SIZE, int(BATCH_WINDOW / (self._seconds + self._waits))))
