"""One quantity that grows while all others stay constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labs.benchmarks.measuring.subject import Measurement

#: A column: its heading, and the figure, as ``results.value_of`` takes it.
Column = tuple[str, str]


@dataclass(frozen=True)
class Axis:
    """*values* are those of what grows; *at* returns the measurement of one of them.

    *plotted* are the figures of the plot, which has a line for each.
    """

    name: str
    title: str
    values: tuple[int, ...]
    at: Callable[[int], Measurement]
    columns: tuple[Column, ...]
    plotted: tuple[str, ...]
    unit: str

    def measurements(self) -> list[Measurement]:
        """Return the measurements of this axis."""
        return [self.at(value) for value in self.values]
