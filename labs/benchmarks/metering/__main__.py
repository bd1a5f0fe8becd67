"""Measures what metrics cost: the same room with and without them, in turns.

Each measurement has fresh processes and an empty Redis. The figures are medians of the repeats.
Nobody scrapes meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from labs.benchmarks.comparison.subjects import on_one_core
from labs.benchmarks.measuring.command import chosen, measure_and_write, parser_of
from labs.benchmarks.measuring.conditions import as_markdown
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.measuring.subject import Measurement
from labs.harness.command import run_command
from labs.harness.report import number, table

COMMAND = "python -m labs.benchmarks.metering"

#: Seconds, those before, and repeats of a full run, and of a quick one.
FULL, QUICK = (3.0, 0.5, 9), (1.0, 0.3, 1)

#: The room without metrics and with them, and the load.
OFF, ON, LOAD = "channels_workers", "channels_workers-metrics", "rtt50"
SERVER = "uvicorn"


def measurements(seconds: float, warmup: float) -> list[Measurement]:
    """Return both measurements, which take turns."""
    options = {"seconds": seconds, "warmup": warmup}
    return [Measurement(on_one_core(room, SERVER), LOAD, LOAD, options) for room in (OFF, ON)]


def names_of(measurement: Measurement) -> set[str]:
    """Return the names that select *measurement*."""
    return {measurement.name, measurement.subject.name, measurement.subject.room}


def as_text(results: Results, given: dict[str, Any]) -> str:
    """Return the report: the figures with and without metrics, and their ratio."""
    rows = []
    for figure in ("messages_per_s", "cpu_us server", "cpu_us worker", "cpu_us redis"):
        off, on = (
            results.median(on_one_core(room, SERVER).name, LOAD, figure) for room in (OFF, ON)
        )
        ratio = on / off if on is not None and off else None
        rows.append([figure.replace("_", " "), number(off), number(on), number(ratio)])
    figures = table(["median", "off", "on", "on / off"], rows, numbers=True)
    parts = [["# The cost of metrics"], as_markdown(given), figures]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def compare(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    seconds, warmup, repeats = QUICK if options.quick else FULL
    found = chosen(options, measurements(options.seconds or seconds, warmup), names_of)
    return measure_and_write(
        options, found, repeats, logs, command=COMMAND, name="metrics", as_text=as_text
    )


def main() -> int:
    """Compare, and return the exit status."""
    options = parser_of(COMMAND, __doc__, "a room").parse_args()
    return run_command("benchmarks", partial(compare, options))


if __name__ == "__main__":
    sys.exit(main())
