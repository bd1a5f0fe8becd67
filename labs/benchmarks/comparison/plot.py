"""Draws a comparison: ``python -m labs.benchmarks.comparison.plot FILE.json`` writes FILE.svg."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labs.benchmarks.comparison.cpu import ROLES, TABLES
from labs.benchmarks.comparison.report import COLUMNS
from labs.benchmarks.comparison.subjects import TABLE

#: The colours of server, worker and Redis.
ROLE_COLOURS = ("#1f6feb", "#8250df", "#cf222e")
OURS, LIMIT, OTHER = "#1f6feb", "#8c959f", "#d4a72c"


def draw(content: dict[str, Any], file: Path) -> None:
    """Draw a chart with a bar per room, for each column of the table."""
    medians = {
        (row["subject"], row["measurement"]): row["medians"] for row in content["measurements"]
    }
    figure = Figure(figsize=(16, 12), layout="constrained")
    charts = figure.subplots(3, 4, sharey=True)
    names = [subject.name for subject in TABLE]
    colours = [_colour(subject.room) for subject in TABLE]
    for chart, (title, name, key) in zip(charts[:2].flat, COLUMNS, strict=True):
        values = [medians.get((subject, name), {}).get(key, 0.0) for subject in names]
        bars = chart.barh(names, values, color=colours)
        chart.bar_label(bars, labels=[_label(value) for value in values], padding=2, fontsize=8)
        _finish(chart, title)
    for chart, (title, name, kind) in zip(charts[2], TABLES, strict=False):
        _draw_cpu(chart, {room: medians.get((room, name), {}) for room in names}, kind)
        _finish(chart, title)
    charts.flat[-1].set_axis_off()
    charts.flat[0].invert_yaxis()
    conditions = content["conditions"]
    figure.suptitle(f"{conditions['machine']}, {conditions['date']}", fontsize=10)
    figure.savefig(file)


def _draw_cpu(chart: Axes, medians: dict[str, dict[str, float]], kind: str) -> None:
    """Draw the CPU time of the roles, one after the other."""
    ends = dict.fromkeys(medians, 0.0)
    for role, colour in zip(ROLES[:-1], ROLE_COLOURS, strict=True):
        values = [figures.get(f"{kind} {role}", 0.0) for figures in medians.values()]
        bars = chart.barh([*ends], values, left=[*ends.values()], color=colour, label=role)
        ends = {room: end + value for (room, end), value in zip(ends.items(), values, strict=True)}
    labels = [_label(end) for end in ends.values()]
    chart.bar_label(bars, labels=labels, padding=2, fontsize=8)
    chart.legend(fontsize=8)


def _finish(chart: Axes, title: str) -> None:
    chart.set_title(title, fontsize=10)
    chart.margins(x=0.22)
    chart.spines[["top", "right"]].set_visible(False)


def _colour(room: str) -> str:
    return {"channels_workers": OURS, "bare": LIMIT}.get(room, OTHER)


def _label(value: float) -> str:
    if not value:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Draw the file that the command line names."""
    file = Path(sys.argv[1])
    draw(json.loads(file.read_text()), file.with_suffix(".svg"))


if __name__ == "__main__":
    main()
