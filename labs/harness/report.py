"""Results of a run: lines for people, JSON for programs, tables for the documentation."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path


def say(text: str) -> None:
    """Print *text* at once."""
    print(text, flush=True)


def table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False
) -> list[str]:
    """The lines of a Markdown table.

    With *numbers* all columns but the first are right-aligned.
    """
    rule = ["---", *("---:" if numbers else "---" for _ in heading[1:])]
    return [f"| {' | '.join(map(_cell, cells))} |" for cells in (heading, rule, *rows)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def number(value: float | None) -> str:
    """A number with three significant digits. Empty for None."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}" if abs(value) >= 0.1 else f"{value:.2g}"


def conditions(command: str, seconds: float) -> list[str]:
    """Two lines: date, *command* and duration, then the machine."""
    return [
        f"{time.strftime('%Y-%m-%d')}, `{command}`, {seconds:.0f} s.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}.",
    ]


def write_json(file: Path, content: object) -> None:
    """Write *content* as JSON."""
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_markdown(file: Path, lines: Sequence[str], given: Sequence[str]) -> None:
    """Write a table, followed by the conditions in *given*."""
    file.write_text("\n".join((*lines, "", *given)) + "\n")
