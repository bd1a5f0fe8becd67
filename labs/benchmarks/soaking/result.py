"""The result of a soak: its samples, its counts, and its trends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.benchmarks.measuring.results import ERRORS
from labs.benchmarks.soaking.flat import FLAT, GROWS, SHORT, Trend

Sample = Mapping[str, Any]

#: Counts of visits that are 0 if all is well.
VISIT_ERRORS = ("failed", "missing", "repeated", "wrong")

#: What each process may not have more and more of: the key of the samples, the name and the unit,
#: and how much it may grow, as a share and as an allowance, and whether it is a time.
OF_PROCESSES = (
    ("rss_kib", "memory", "KiB", 0.02, 1024.0, False),
    ("files", "open files", "", 0.02, 3.0, False),
    ("threads", "threads", "", 0.0, 0.9, False),
    ("cpu_us", "CPU time per message", "us", 0.2, 10.0, True),
)

#: The same for figures of the whole site.
OF_SITE: tuple[tuple[str, str, Callable[[Sample], float | None], float, float, bool], ...] = (
    ("Redis: used memory", "KiB", lambda sample: sample["redis_kib"], 0.02, 128.0, False),
    ("Redis: keys", "", lambda sample: sample["redis_keys"], 0.02, 5.0, False),
    ("latency, p50", "ms", lambda sample: sample["latency"].get("p50_ms"), 0.2, 0.1, True),
)


@dataclass
class Result:
    """*samples* in order, and the counts at the end. *trouble* says why a run ended early."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    trouble: dict[str, int] = field(default_factory=dict)
    ended_early: str = ""

    def add(self, line: Mapping[str, Any]) -> None:
        """Add what a line of the load says."""
        if "sample" in line:
            self.samples.append(line["sample"])
        else:
            self.counts, self.visits = line["counts"], line["visits"]
            self.trouble = line["trouble"]

    @property
    def is_complete(self) -> bool:
        """Whether it ran to its end."""
        return bool(self.counts) and not self.ended_early

    @property
    def errors(self) -> dict[str, int]:
        """The counts that should be 0, and are not."""
        found = {kind: self.counts.get(kind, 0) for kind in ERRORS}
        found |= {f"visits: {kind}": self.visits.get(kind, 0) for kind in VISIT_ERRORS}
        return {kind: count for kind, count in found.items() if count}

    def trends(self) -> list[Trend]:
        """Return all that should be flat."""
        roles = list(self.samples[0]["rss_kib"]) if self.samples else []
        found = [
            Trend(f"{role}: {name}", unit, self._points(_of(key, role)), share, allowance, is_time)
            for key, name, unit, share, allowance, is_time in OF_PROCESSES
            for role in roles
        ]
        return found + [
            Trend(name, unit, self._points(take), share, allowance, is_time)
            for name, unit, take, share, allowance, is_time in OF_SITE
        ]

    def _points(self, take: Callable[[Sample], float | None]) -> list[tuple[float, float]]:
        points = ((sample["at"], take(sample)) for sample in self.samples)
        return [(at, value) for at, value in points if value is not None]

    def verdict(self, *, of_times: bool = False) -> str:
        """Return whether all is flat: ``flat``, ``too short``, or that something grows.

        Times are CPU times and latencies. All else is memory, files, threads and keys.
        """
        verdicts = {trend.verdict for trend in self.trends() if trend.is_time == of_times}
        return next((one for one in (GROWS, SHORT) if one in verdicts), FLAT)


def _of(key: str, role: str) -> Callable[[Sample], float]:
    return lambda sample: float(sample[key][role])
