"""How long it took after each death, and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: The limit of the 99th percentile (s), and what it should be.
LIMIT, AIM = 2.0, 1.0


@dataclass(frozen=True)
class Death:
    """After how long something was made good (s), in order: one message, or each disconnect."""

    after: tuple[float, ...]

    @property
    def longest(self) -> float:
        """After how long all was made good (s)."""
        return self.after[-1]


@dataclass(frozen=True)
class Figures:
    """Percentiles of times (s)."""

    count: int
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Figures:
        """Return those of *times*: of few, the 99th is the longest."""
        ordered = sorted(times)
        p50, p95, p99 = (
            ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95, 0.99)
        )
        return cls(len(ordered), p50, p95, p99, ordered[-1])

    @property
    def is_met(self) -> bool:
        """Whether the limit was kept."""
        return self.p99 <= LIMIT
