"""The times after deaths as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.benchmarks.dying.figures import AIM, LIMIT, Figures
from labs.benchmarks.measuring.conditions import as_markdown
from labs.harness.report import table

INTRODUCTION = f"""\
`kill -9` of one process after the other, each with another one in its place. Times are in seconds
from the kill: until a message of a killed worker ran in another one, until the disconnect of a
socket of a killed server ran, and until all of a server's did. The 99th percentile may be
{LIMIT:g} s, and should be {AIM:g} s."""


def as_text(found: Mapping[str, Figures], given: Mapping[str, Any]) -> str:
    """Return the whole report. *given* are the conditions."""
    parts = [["# Deaths"], [INTRODUCTION], as_markdown(dict(given)), figures_table(found)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def figures_table(found: Mapping[str, Figures]) -> list[str]:
    """Return a row for each kind of death."""
    rows = [
        [name, f"{each.count:,}", *(f"{time:.2f}" for time in _times(each)), _judge(each)]
        for name, each in found.items()
    ]
    return table(["after the kill", "times", "p50", "p95", "p99", "max", "result"], rows)


def _times(figures: Figures) -> tuple[float, ...]:
    return figures.p50, figures.p95, figures.p99, figures.longest


def _judge(figures: Figures) -> str:
    return "ok" if figures.is_met else f"MISSED: p99 {figures.p99:.2f} s, at most {LIMIT:g}"
