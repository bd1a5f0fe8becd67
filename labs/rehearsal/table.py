"""The results of a run as text, as Markdown and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from labs.harness.report import table
from labs.rehearsal.row import Row

#: Characters per line.
WIDTH = 120

HEADINGS = ("step", "what", "counted", "Redis", "Postgres", "seconds", "")


def verdict(row: Row) -> str:
    """Return the last cell."""
    return "ok" if row.is_met else "FAILED"


def describe(row: Row) -> str:
    """Return the lines of a row: what was done, the counts, and failures."""
    used = f"{row.redis} to Redis, {row.database} to PostgreSQL, {row.took:.0f} s"
    lines = [f"{row.step:<12} {verdict(row):<7} {row.description}  ({used})"]
    facts = [*row.notes, *(f"FAILED: {failure}" for failure in row.failures)]
    lines += [
        textwrap.fill(fact, WIDTH, initial_indent=" " * 21, subsequent_indent=" " * 23)
        for fact in facts
    ]
    return "\n".join(lines)


def as_json(rows: Sequence[Row], given: Sequence[str]) -> dict[str, Any]:
    """Return all results as JSON values. *given* are the conditions."""
    return {
        "conditions": list(given),
        "rows": [{**asdict(row), "met": row.is_met} for row in rows],
    }


def markdown(rows: Sequence[Row]) -> list[str]:
    """Return the table in the documentation's format."""
    return table(HEADINGS, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    facts = [*row.notes, *(f"FAILED: {failure}" for failure in row.failures)]
    counts = [str(row.redis), str(row.database), f"{row.took:.0f}"]
    return [f"`{row.step}`", row.description, "; ".join(facts), *counts, verdict(row)]
