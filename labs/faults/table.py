"""What a run says: a table for people, and the same as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from labs.faults.row import Row

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


def say(text: str) -> None:
    """Print *text* at once."""
    print(text, flush=True)


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


def write_json(file: Path, rows: Sequence[Row]) -> None:
    """Write everything to *file*."""
    content = [{**asdict(row), "met": row.is_met, "missed": list(row.missed())} for row in rows]
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_markdown(file: Path, rows: Sequence[Row], conditions: Sequence[str]) -> None:
    """Write the table and its *conditions* to *file*, as the documentation has it."""
    file.write_text("\n".join((*_markdown(rows), "", *conditions)) + "\n")


def _markdown(rows: Sequence[Row]) -> Iterator[str]:
    yield "| " + " | ".join(name.strip() for name, _, _ in COLUMNS) + " |"
    yield "|" + " --- |" * len(COLUMNS)
    for row in rows:
        cells = [cell(row).strip() for _, _, cell in COLUMNS]
        yield "| " + " | ".join([f"`{cells[0]}`", *cells[1:]]) + " |"
