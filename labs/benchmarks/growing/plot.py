"""Draws growth: ``python -m labs.benchmarks.growing.plot FILE.json`` writes FILE.svg."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

COLUMNS = 3


def draw(content: dict[str, Any], file: Path) -> None:
    """Draw a chart for each axis, with a line for each role."""
    axes = content["axes"]
    rows = math.ceil(len(axes) / COLUMNS)
    figure = Figure(figsize=(5 * COLUMNS, 4 * rows), layout="constrained")
    for number, axis in enumerate(axes, start=1):
        chart = figure.add_subplot(rows, COLUMNS, number)
        for key, line in axis["lines"].items():
            points = [
                (x, y) for x, y in zip(axis["values"], line, strict=True) if y is not None and y > 0
            ]
            if points:
                chart.plot(*zip(*points, strict=True), marker="o", label=key.rpartition(" ")[2])
        if max(axis["values"]) > 10:
            chart.set_xscale("log")
            chart.set_yscale("log")
        else:
            chart.set_xticks(axis["values"])
            chart.set_ylim(bottom=0)
        chart.set_title(axis["title"], fontsize=9)
        chart.set_ylabel(axis["unit"], fontsize=8)
        chart.legend(fontsize=8)
        chart.spines[["top", "right"]].set_visible(False)
    conditions = content["conditions"]
    figure.suptitle(f"{conditions['machine']}, {conditions['date']}", fontsize=10)
    figure.savefig(file)


def main() -> None:
    """Draw the file that the command line names."""
    file = Path(sys.argv[1])
    draw(json.loads(file.read_text()), file.with_suffix(".svg"))


if __name__ == "__main__":
    main()
