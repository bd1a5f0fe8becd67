"""What a run says: a table for people, and the same as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from labs.faults.row import Row
from labs.harness.report import table

COLUMNS: tuple[tuple[str, int, Callable[[Row], str]], ...] = (
    ("fault", -24, lambda row: row.fault),
    ("said", 6, lambda row: str(row.said)),
    ("dropped", 9, lambda row: f"{row.dropped}+{row.taken}" if row.taken else str(row.dropped)),
    ("lost", 5, lambda row: str(row.lost)),
    ("twice", 6, lambda row: str(row.twice)),
    ("order", 6, lambda row: str(row.disordered)),
    ("no/two disc.", 13, lambda row: f"{row.missing}/{row.doubled}"),
    ("conn.only", 10, lambda row: str(row.unpaired)),
    ("seconds", 8, lambda row: f"{row.seconds:.2f}"),
    ("  target", -32, lambda row: f"  {row.limits.describe()}"),
    ("", -6, lambda row: "ok" if row.is_met else "MISSED"),
)


def _line(cells: Sequence[str]) -> str:
    parts = [
        cell.ljust(-width) if width < 0 else cell.rjust(width)
        for cell, (_, width, _) in zip(cells, COLUMNS, strict=True)
    ]
    return " ".join(parts).rstrip()


def heading() -> str:
    """Return the first line of the table."""
    return _line([name for name, _, _ in COLUMNS])


def describe(row: Row) -> str:
    """Return the line of a row, and below it what was missed, and notes."""
    lines = [_line([cell(row) for _, _, cell in COLUMNS])]
    lines += [f"    missed: {what}" for what in row.missed()]
    lines += [f"    {note}" for note in row.notes]
    lines += [f"    {example}" for example in ([] if row.is_met else row.examples)]
    return "\n".join(
        textwrap.fill(line, 150, subsequent_indent="      ", replace_whitespace=False)
        if line.startswith("    ")
        else line
        for line in lines
    )


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return everything, for programs."""
    return [{**asdict(row), "met": row.is_met, "missed": list(row.missed())} for row in rows]


def markdown(rows: Sequence[Row]) -> list[str]:
    """Return the table as the documentation has it."""
    cells = [[cell(row).strip() for _, _, cell in COLUMNS] for row in rows]
    named = [[f"`{first}`", *others] for first, *others in cells]
    return table([name.strip() for name, _, _ in COLUMNS], named)
