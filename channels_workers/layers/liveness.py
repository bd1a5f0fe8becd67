"""Liveness: processes raise a heartbeat counter, and others detect stalled counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: A process counts as dead after its counter stood still for so long (s).
DEAD_AFTER = 5.0

#: A process whose lifeline is cut counts as dead after its counter stood still for so long (s).
CUT_OFF_FOR = 0.5

#: After a longer pause between two looks at lifelines (s), the detector starts afresh.
LONGEST_BLINK = 0.75

#: After a longer pause between two looks (s), the detector starts afresh.
LONGEST_PAUSE = 2.5


class Sample(NamedTuple):
    """A counter, and when it was first seen with this value (monotonic seconds)."""

    counter: int
    since: float


class StallDetector:
    """Finds stalled counters, by the clock of this process alone.

    Time counts only while this process looks often and its own counter rises. A process that was
    frozen, or cut off from the layer, therefore declares no other process dead.
    """

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}
        self._last = -1.0
        self._own_rose = -1.0

    def look(self, counters: Mapping[str, int], own: str, now: float) -> dict[str, int]:
        """Return the dead processes with their counters; *own* is the id of this process."""
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


class CutDetector:
    """Finds dead processes by their lifelines, by the clock of this process alone.

    A process that lives has another lifeline, or a higher counter, long before ``CUT_OFF_FOR`` is
    over. A process that was frozen, or whose own lifeline is cut, declares no other one dead.
    """

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}
        self._last = -1.0

    @property
    def suspects(self) -> bool:
        """Whether a lifeline was cut at the last look."""
        return bool(self._samples)

    def look(self, cut_off: Mapping[str, int], own: str, now: float) -> dict[str, int]:
        """Return the dead of those whose lifelines are *cut_off*, with their counters."""
        if now - self._last > LONGEST_BLINK or own in cut_off:
            self._samples.clear()
        self._last = now
        known = self._samples
        self._samples = {
            process: known[process]
            if process in known and known[process].counter == counter
            else Sample(counter, now)
            for process, counter in cut_off.items()
        }
        return {
            process: sample.counter
            for process, sample in self._samples.items()
            if now - sample.since >= CUT_OFF_FOR
        }
