"""What a run says: a table for people, and the same as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labs.faults.row import Row


@dataclass(frozen=True)
class Column:
    """A column of the table; the terminal pads it to *width*, on the left if that is negative."""

    name: str
    width: int
    cell: Callable[[Row], str]

    def pad(self, text: str) -> str:
        """Return *text* as wide as the column."""
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


def say(text: str) -> None:
    """Print *text* at once."""
    print(text, flush=True)


def _line(cells: Sequence[str]) -> str:
    padded = (column.pad(cell) for column, cell in zip(COLUMNS, cells, strict=True))
    return "  ".join(padded).rstrip()


def heading() -> str:
    """Return the first lines of the table: a long name takes several."""
    names = [textwrap.wrap(column.name, abs(column.width)) for column in COLUMNS]
    height = max(map(len, names))
    lines = zip(*([""] * (height - len(name)) + name for name in names), strict=True)
    return "\n".join(map(_line, lines))


def describe(row: Row) -> str:
    """Return the line of a row, and below it what was missed, and notes."""
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


def write_json(file: Path, rows: Sequence[Row]) -> None:
    """Write everything to *file*."""
    content = [{**asdict(row), "met": row.is_met, "missed": list(row.missed())} for row in rows]
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_markdown(file: Path, rows: Sequence[Row], conditions: Sequence[str]) -> None:
    """Write the table and its *conditions* to *file*, as the documentation has it."""
    file.write_text("\n".join((*_markdown(rows), "", *conditions)) + "\n")


def _markdown(rows: Sequence[Row]) -> Iterator[str]:
    yield "| " + " | ".join(column.name for column in COLUMNS) + " |"
    yield "|" + " --- |" * len(COLUMNS)
    for row in rows:
        cells = [column.cell(row) for column in COLUMNS]
        yield "| " + " | ".join([f"`{cells[0]}`", *cells[1:]]) + " |"
