"""Goals: a figure or a ratio of two figures, with a minimum and an aim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labs.benchmarks.measuring.results import Results
from labs.harness.report import number

#: A figure of the results. None if it was not measured.
Value = Callable[[Results], float | None]


@dataclass(frozen=True)
class Goal:
    """*least* is the minimum, *aim* a higher target, if there is one.

    With *is_lower* both are maxima. *words* describe *least* where a number does not. *shown* is a
    figure (us) that stands beside the value.
    """

    what: str
    value: Value
    least: float
    aim: float | None = None
    is_lower: bool = False
    words: str = ""
    shown: Value | None = None

    def measured(self, results: Results) -> str:
        """Return the value as text. Empty if it was not measured."""
        text = number(self.value(results))
        figure = self.shown(results) if self.shown and text else None
        return text if figure is None else f"{text} ({number(figure)} us)"

    def verdict(self, results: Results) -> str:
        """Return ``aim``, ``reached``, ``missed`` or ``not measured``."""
        value = self.value(results)
        if value is None:
            return "not measured"
        if self.aim is not None and self._reaches(value, self.aim):
            return "aim"
        return "reached" if self._reaches(value, self.least) else "missed"

    def _reaches(self, value: float, wanted: float) -> bool:
        return value <= wanted if self.is_lower else value >= wanted

    @property
    def least_in_words(self) -> str:
        """The minimum as text."""
        return self.words or self._in_words(self.least)

    @property
    def aim_in_words(self) -> str:
        """The aim as text."""
        return "" if self.aim is None else self._in_words(self.aim)

    def _in_words(self, wanted: float) -> str:
        return f"{wanted:,g} or less" if self.is_lower else f"{wanted:,g}"


def figure(subject: str, name: str, key: str) -> Value:
    """Return the median of a figure."""
    return lambda results: results.median(subject, name, key)


def ratio(above: Value, below: Value) -> Value:
    """Return one value divided by another."""

    def divide(results: Results) -> float | None:
        top, bottom = above(results), below(results)
        return None if top is None or not bottom else top / bottom

    return divide


def less(value: Value, by: float) -> Value:
    """Return one value minus a number."""

    def subtract(results: Results) -> float | None:
        found = value(results)
        return None if found is None else found - by

    return subtract


def whole_flood(subject: str) -> Value:
    """Return the messages per second of a flood. 0 after any loss, duplicate or reordering."""

    def look(results: Results) -> float | None:
        rate = results.median(subject, "flood", "messages_per_s")
        return 0.0 if rate is not None and results.errors(subject, "flood") else rate

    return look
