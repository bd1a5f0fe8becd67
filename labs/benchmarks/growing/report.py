"""Growth as Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labs.benchmarks.growing.axis import Axis
from labs.benchmarks.measuring.conditions import as_markdown
from labs.benchmarks.measuring.results import Place, Results, place_of
from labs.harness.report import number, table

INTRODUCTION = """\
The room on channels_workers, under Daphne with one worker unless said; all of it on core 0, the
load on core 1, unless said. CPU time is that of all processes of a role."""


def as_text(axes: Sequence[Axis], results: Results, given: dict[str, Any]) -> str:
    """Return the whole report. *given* are the conditions."""
    parts = [["# Growth"], [INTRODUCTION], as_markdown(given)]
    for axis in axes:
        parts += [[f"## {axis.title}"], axis_table(axis, results)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def axis_table(axis: Axis, results: Results) -> list[str]:
    """Return a line for each value."""
    rows = []
    for value in axis.values:
        place = place_of(axis.at(value))
        figures = (results.median(*place, key) for _, key in axis.columns)
        rows.append([f"{value:,}", *map(number, figures), _trouble(results, place)])
    return table([axis.name, *(title for title, _ in axis.columns), ""], rows, numbers=True)


def _trouble(results: Results, place: Place) -> str:
    if place in results.failures:
        return "not measured"
    errors = results.errors(*place)
    return ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in errors.items())


def as_lines(axes: Sequence[Axis], results: Results) -> list[dict[str, Any]]:
    """Return the lines of the plots."""
    return [
        {
            "title": axis.title,
            "unit": axis.unit,
            "values": axis.values,
            "lines": {
                key: [results.median(*place_of(axis.at(value)), key) for value in axis.values]
                for key in axis.plotted
            },
        }
        for axis in axes
    ]
