"""The results of a run as a table and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labs.faults.row import Row
from labs.harness.report import table


@dataclass(frozen=True)
class Column:
    """A column of the table, padded to *width*. A negative width aligns to the left."""

    name: str
    width: int
    cell: Callable[[Row], str]

    def pad(self, text: str) -> str:
        """Return *text*, padded to the width of the column."""
        return text.ljust(-self.width) if self.width < 0 else text.rjust(self.width)


COLUMNS = (
    Column("fault", -27, lambda row: row.fault),
    Column("frames sent", 6, lambda row: str(row.said)),
    Column(
        "clients cut",
        7,
        lambda row: f"{row.dropped}+{row.taken}" if row.taken else str(row.dropped),
    ),
    Column("lost", 4, lambda row: str(row.lost)),
    Column("duplicated", 10, lambda row: str(row.twice)),
    Column("out of order", 6, lambda row: str(row.disordered)),
    Column("missing/extra disconnects", 13, lambda row: f"{row.missing}/{row.doubled}"),
    Column("unpaired connects", 8, lambda row: str(row.unpaired)),
    Column("longest outage (s)", 10, lambda row: f"{row.seconds:.2f}"),
    Column("target", -28, lambda row: row.limits.describe()),
    Column("result", -6, lambda row: "ok" if row.is_met else "MISSED"),
)


def _line(cells: Sequence[str]) -> str:
    padded = (column.pad(cell) for column, cell in zip(COLUMNS, cells, strict=True))
    return "  ".join(padded).rstrip()


def heading() -> str:
    """Return the first lines of the table. Long names are wrapped."""
    names = [textwrap.wrap(column.name, abs(column.width)) for column in COLUMNS]
    height = max(map(len, names))
    lines = zip(*([""] * (height - len(name)) + name for name in names), strict=True)
    return "\n".join(map(_line, lines))


def describe(row: Row) -> str:
    """Return the line of a row, followed by missed targets and notes."""
    lines = [_line([column.cell(row) for column in COLUMNS])]
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
    """Return all results as JSON values."""
    return [{**asdict(row), "met": row.is_met, "missed": list(row.missed())} for row in rows]


def markdown(rows: Sequence[Row]) -> list[str]:
    """Return the table in the documentation's format."""
    cells = [[column.cell(row) for column in COLUMNS] for row in rows]
    named = [[f"`{first}`", *others] for first, *others in cells]
    return table([column.name for column in COLUMNS], named)
