"""How many messages a thread pulls at once."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

#: The longest wait of a finished message for others, to be committed in one request (s), and the
#: most messages in one request.
BATCH_WINDOW, BATCH_SIZE = 0.002, 32

#: The least weight of a run that was quicker than the pace of its thread; a slower run weighs 1.
#: Run *n* weighs 1/n, as the first runs of a process are slow by imports and new connections.
PACE_DECAY = 0.01

#: The weight of a run among the waits for the layer. A late answer counts as at most twice the
#: usual wait and this (s).
WAIT_WEIGHT, WAIT_STEP = 0.05, 0.0001


class Usage(NamedTuple):
    """How often a thread has waited for something, and its CPU time (s)."""

    waits: int
    seconds: float


def usage() -> Usage:
    """Return the usage of this thread; only Linux knows it."""
    found = resource.getrusage(resource.RUSAGE_THREAD)
    return Usage(found.ru_nvcsw, found.ru_utime + found.ru_stime)


@cache
def thread_usage() -> Callable[[], Usage] | None:
    """Return :func:`usage`, or None where it does not count waits: some sandboxes do not."""
    if not hasattr(resource, "RUSAGE_THREAD"):
        return None
    before = usage()
    time.sleep(0.0001)
    return usage if usage().waits > before.waits else None


class Pace:
    """How many messages a thread pulls at once: as many as it is likely to run in a batch.

    *look* returns the usage of the thread. None where the system does not tell it.
    """

    def __init__(self, look: Callable[[], Usage] | None = None) -> None:
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
        if own > BATCH_WINDOW and self._has_only_lacked_cpu(own):
            return
        self._runs += 1
        weight = 1.0 if own > self._seconds else max(PACE_DECAY, 1 / self._runs)
        self._seconds += (own - self._seconds) * weight
        waited = min(waited, 2 * self._waits + WAIT_STEP)
        self._waits += (waited - self._waits) * WAIT_WEIGHT
        self.count = max(1, min(BATCH_SIZE, int(BATCH_WINDOW / (self._seconds + self._waits))))

    def _has_only_lacked_cpu(self, seconds: float) -> bool:
        """Say whether a run of *seconds* has waited for nothing, and yet computed little."""
        before, self._before = self._before, None
        if before is None or self._look is None:
            return False
        self._before = now = self._look()
        return now.waits == before.waits and now.seconds - before.seconds < seconds / 2
