"""The report of a load: one line of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from labs.benchmarks.load.crowd import Crowd
from labs.benchmarks.load.traffic import Traffic


@dataclass
class Report:
    """*figures* are the measurements. Their names include the units.

    *counts* are those of ``account``, and of failed and dropped sockets and abandoned messages.
    *cpu* is the share of a core that the client and each role used, *cpu_us* their CPU time per
    message (us), *memory* that at the start and the end (KiB). *window* and *idle* are spans of
    ``time.time()``: of the measurement, and of open but silent sockets.
    """

    figures: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    cpu_us: dict[str, float] = field(default_factory=dict)
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    window: tuple[float, float] = (0.0, 0.0)
    idle: tuple[float, float] = (0.0, 0.0)
    trouble: dict[str, int] = field(default_factory=dict)

    def count(self, crowd: Crowd, traffic: Traffic | None = None, given_up: int = 0) -> None:
        """Record the counts of sockets and messages. *given_up* were abandoned before."""
        dropped = crowd.dropped()
        given_up += len(traffic.in_flight) if traffic else 0
        self.counts = traffic.account.counts() if traffic else {}
        self.counts |= {
            "sockets": len(crowd.clients),
            "failed": crowd.failures.total(),
            "dropped": dropped.total(),
            "given_up": given_up,
        }
        self.trouble = dict(crowd.failures)
        self.trouble |= {f"closed with {code}": number for code, number in dropped.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the maximum of times (s), in ms. Empty without times."""
    if not seconds:
        return {}
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 4)

    most = round(ordered[-1] * 1000, 4)
    return {"p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": most}
