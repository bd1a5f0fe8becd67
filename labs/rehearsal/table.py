"""What a run says: lines for people, Markdown for the documentation, JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from labs.rehearsal.row import Row

#: Characters of a line.
WIDTH = 120

HEADINGS = ("step", "what", "counted", "Redis", "Postgres", "seconds", "")


def say(text: str) -> None:
    """Print *text* at once."""
    print(text, flush=True)


def verdict(row: Row) -> str:
    """Return the last cell."""
    return "ok" if row.is_met else "FAILED"


def describe(row: Row) -> str:
    """Return the lines of a row: what was done, what was counted, what failed."""
    used = f"{row.redis} to Redis, {row.database} to PostgreSQL, {row.took:.0f} s"
    lines = [f"{row.step:<12} {verdict(row):<7} {row.description}  ({used})"]
    facts = [*row.facts, *(f"FAILED: {failure}" for failure in row.failures)]
    lines += [
        textwrap.fill(fact, WIDTH, initial_indent=" " * 21, subsequent_indent=" " * 23)
        for fact in facts
    ]
    return "\n".join(lines)


def write_json(file: Path, rows: Sequence[Row], conditions: Sequence[str]) -> None:
    """Write everything to *file*."""
    content = {
        "conditions": list(conditions),
        "rows": [{**asdict(row), "met": row.is_met} for row in rows],
    }
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_markdown(file: Path, rows: Sequence[Row], conditions: Sequence[str]) -> None:
    """Write the table and its *conditions* to *file*, as the documentation has it."""
    file.write_text("\n".join((*markdown(rows), "", *conditions)) + "\n")


def markdown(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|" + " --- |" * len(HEADINGS)
    for row in rows:
        facts = [*row.facts, *(f"FAILED: {failure}" for failure in row.failures)]
        cells = [f"`{row.step}`", row.description, "; ".join(facts)]
        cells += [str(row.redis), str(row.database), f"{row.took:.0f}", verdict(row)]
        yield (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )
