"""The results of a run: lines for people, Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labs.harness.report import table
from labs.model.spin import Search


@dataclass(frozen=True)
class Row:
    """A search, and whether it had the result that it must have. *expected* is empty for none."""

    name: str
    description: str
    search: Search
    expected: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the promise was violated that had to be, or none."""
        return self.search.violated == self.expected

    @property
    def result(self) -> str:
        """What was found."""
        found = self.search.violated
        if self.is_met:
            return f"caught: {found}" if found else "ok"
        return (
            f"VIOLATED: {found}" if not self.expected else f"NOT CAUGHT: {found or 'no violation'}"
        )


HEADING = ("name", "states", "transitions", "depth", "seconds", "result")


def heading() -> str:
    """The first line of the table."""
    return _line(HEADING)


def describe(row: Row) -> str:
    """The line of a row."""
    return _line(_cells(row))


def _cells(row: Row) -> tuple[str, ...]:
    found = row.search
    return (
        row.name,
        f"{found.states:,}",
        f"{found.transitions:,}",
        f"{found.depth:,}",
        f"{found.seconds:.1f}",
        row.result,
    )


def _line(cells: Sequence[str]) -> str:
    name, *numbers, result = cells
    return "  ".join((f"{name:<28}", *(f"{cell:>11}" for cell in numbers), result))


def markdown(rows: Sequence[Row]) -> list[str]:
    """A table with descriptions: numbers of the searches, or what caught the mutants."""
    if any(row.expected for row in rows):
        cells = [
            [f"`{row.name}`", row.description, row.result.removeprefix("caught: ")] for row in rows
        ]
        return table(("mutant", "what it does", "caught by"), cells)
    cells = [
        [f"`{row.name}`", row.description, f"{row.search.states:,}", f"{row.search.depth:,}"]
        for row in rows
    ]
    return table(("configuration", "what happens in it", "states", "depth"), cells)


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows for programs."""
    return [
        {
            "name": row.name,
            "description": row.description,
            **vars(row.search),
            "expected": row.expected,
            "met": row.is_met,
        }
        for row in rows
    ]
