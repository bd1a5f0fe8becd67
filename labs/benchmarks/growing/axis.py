"""One quantity that grows while all others stay constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labs.benchmarks.measuring.subject import Measurement

#: A column: its heading and its figure, as in ``results.value_of``.
Column = tuple[str, str]


@dataclass(frozen=True)
class Axis:
    """*values* are those of the growing quantity. *at* returns the measurement for one of them.

    *plotted* are the figures of the plot, with a line each.
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
