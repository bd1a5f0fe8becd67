"""Whether a figure stays flat over the second half of a run. No I/O.

Its growth is the slope times the length of that half. The slope is the median of those between all
pairs of samples (Theil and Sen), so that single samples do not count. It may grow by a share of its
median, or by an allowance where that is more. Shrinking is flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

#: A sample: its time (s) and its value.
Point = tuple[float, float]

#: Fewer samples in the second half say nothing.
FEWEST = 10

FLAT, GROWS, SHORT = "flat", "**grows**", "too short"


@dataclass(frozen=True)
class Trend:
    """*points* of a figure in *unit*, and how much it may grow: *share*, or *allowance*."""

    name: str
    unit: str
    points: Sequence[Point]
    share: float
    allowance: float
    #: Whether other programs on the machine change it, too.
    is_time: bool = False

    @property
    def second_half(self) -> list[Point]:
        """The points of the second half of the time."""
        if not self.points:
            return []
        middle = (self.points[0][0] + self.points[-1][0]) / 2
        return [point for point in self.points if point[0] >= middle]

    @property
    def level(self) -> float:
        """The median of the second half."""
        return median(value for _, value in self.second_half)

    @property
    def growth(self) -> float:
        """How much it grew in the second half."""
        half = self.second_half
        return slope(half) * (half[-1][0] - half[0][0])

    @property
    def most(self) -> float:
        """How much it may have grown."""
        return max(self.share * self.level, self.allowance)

    @property
    def verdict(self) -> str:
        """Whether it is flat."""
        if len(self.second_half) < FEWEST:
            return SHORT
        return GROWS if self.growth > self.most else FLAT


def slope(points: Sequence[Point]) -> float:
    """Return the median slope between all pairs of *points*, per second. 0 without pairs."""
    slopes = [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in combinations(points, 2)
        if after[0] > before[0]
    ]
    return median(slopes) if slopes else 0.0
