"""Measures the cost of the room on channels_workers as one quantity grows.

The quantities are room size, number of rooms, interface servers and workers, workers killed per
minute, message size, and idle sockets, for the memory of each process.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from labs.benchmarks.growing.axes import chosen
from labs.benchmarks.growing.axis import Axis
from labs.benchmarks.growing.report import as_lines, as_text
from labs.benchmarks.measuring.command import parser_of
from labs.benchmarks.measuring.conditions import conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.benchmarks.measuring.series import measure_all
from labs.benchmarks.measuring.subject import Measurement
from labs.benchmarks.serving.cores import require_two_cores
from labs.harness.command import BAD, GOOD, run_command
from labs.harness.report import say

COMMAND = "labs/benchmarks/growth"

#: With --quick nothing grows above this.
QUICK_MOST = 1_000


def shortened(axes: Sequence[Axis]) -> list[Axis]:
    """Return *axes* without slow values."""
    return [
        replace(axis, values=tuple(value for value in axis.values if value <= QUICK_MOST))
        for axis in axes
    ]


def timed(measurement: Measurement, seconds: float | None) -> Measurement:
    """Return *measurement* with another duration, if it has one."""
    if seconds is None or "seconds" not in measurement.options:
        return measurement
    return replace(measurement, options={**measurement.options, "seconds": seconds})


def grow(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    axes = chosen(options.only)
    if options.list:
        say("\n".join(f"{axis.name}: {axis.title}" for axis in axes))
        return GOOD
    require_two_cores()
    axes = shortened(axes) if options.quick else axes
    seconds = options.seconds or (0.5 if options.quick else None)
    measurements = [timed(one, seconds) for axis in axes for one in axis.measurements()]
    since, given = time.monotonic(), conditions(COMMAND, sys.argv[1:])
    results = measure_all(measurements, options.repeats or 1, logs)
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    given["all measured"] = "yes" if results.is_complete else "no"
    content = {
        "conditions": given,
        "axes": as_lines(axes, results),
        "measurements": results.as_dict(),
    }
    folder = options.folder or (QUICK_RESULTS if options.quick else RESULTS)
    text = as_text(axes, results, given)
    publish(folder, "growth", text, content, "labs.benchmarks.growing.plot")
    return GOOD if results.is_complete else BAD


def main() -> int:
    """Run, and return the exit status."""
    options = parser_of(COMMAND, __doc__, "what grows (see --list)").parse_args()
    return run_command("benchmarks", partial(grow, options))


if __name__ == "__main__":
    sys.exit(main())
