"""Who is alive: processes raise a counter, and others watch whether it stands still."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: How long a counter must stand still until its process counts as dead (s).
DEAD_AFTER = 5.0

#: After a longer pause between two looks (s), all is seen as if for the first time.
LONGEST_PAUSE = 2.5


class Sample(NamedTuple):
    """A counter, and when it was first seen at this value (monotonic seconds)."""

    counter: int
    since: float


class StallDetector:
    """Says whose counter has stood still, by the clock of the watching process alone.

    Time counts only while the watcher looks often and its own counter rises: whoever was frozen,
    or cut off from the layer, calls nobody dead for that.
    """

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}
        self._last = -1.0
        self._own_rose = -1.0

    def look(self, counters: Mapping[str, int], own: str, now: float) -> dict[str, int]:
        """Return the dead, with the counters at which they stand; *own* is the watcher's id."""
        if now - self._last > LONGEST_PAUSE or self._stands_still(own, counters, now):
            self._samples.clear()
        self._last = now
        for process, counter in counters.items():
            if process not in self._samples or self._samples[process].counter != counter:
                self._samples[process] = Sample(counter, now)
        self._samples = {name: sample for name, sample in self._samples.items() if name in counters}
        return {
            process: sample.counter
            for process, sample in self._samples.items()
            if process != own and now - sample.since >= DEAD_AFTER
        }

    def _stands_still(self, own: str, counters: Mapping[str, int], now: float) -> bool:
        seen = self._samples.get(own)
        if seen is None or counters.get(own) != seen.counter:
            self._own_rose = now
        return now - self._own_rose > LONGEST_PAUSE
