"""The figures of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from labs.benchmarks.tasking.latency import Figures


@dataclass
class Results:
    """The figures of each measurement and subject, one for each repeat; and what failed."""

    figures: dict[tuple[str, str], list[Figures]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, measurement: str, subject: str, figures: Figures) -> None:
        """Add a repeat."""
        self.figures.setdefault((measurement, subject), []).append(figures)

    def median(self, measurement: str, subject: str, figure: str) -> float | None:
        """Return the median of the repeats; None if it was not measured."""
        repeats = self.figures.get((measurement, subject), [])
        return median(one[figure] for one in repeats) if repeats else None

    def spread(self, measurement: str, subject: str, figure: str) -> float:
        """Return how far the repeats lie apart, as a share of their median."""
        values = [one[figure] for one in self.figures.get((measurement, subject), [])]
        return (max(values) - min(values)) / median(values) if values else 0.0

    def as_dict(self) -> list[dict[str, Any]]:
        """Return all figures as JSON values."""
        return [
            {"measurement": measurement, "subject": subject, "repeats": repeats}
            for (measurement, subject), repeats in self.figures.items()
        ]
