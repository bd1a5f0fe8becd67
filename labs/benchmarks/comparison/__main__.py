"""Measures all rooms and compares them with each other and with the goals.

Each measurement has fresh processes and an empty Redis. All processes of the site run on core 0 and
the load on core 1, except where nothing is pinned. The figures are medians of the repeats.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from labs.benchmarks.comparison.plan import FULL, QUICK, Size, chosen, sized
from labs.benchmarks.comparison.report import as_text
from labs.benchmarks.measuring.command import parser_of
from labs.benchmarks.measuring.conditions import conditions, versions_of_peers
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.benchmarks.measuring.series import measure_all
from labs.benchmarks.serving.cores import require_two_cores
from labs.harness.command import BAD, GOOD, run_command
from labs.harness.report import say

COMMAND = "labs/benchmarks/compare"


def size_of(options: argparse.Namespace) -> Size:
    """Return the size of the run."""
    size = QUICK if options.quick else FULL
    return Size(
        repeats=options.repeats or size.repeats,
        seconds=options.seconds or size.seconds,
        warmup=size.warmup,
    )


def compare(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    measurements = chosen(options.only)
    if options.list:
        say("\n".join(f"{one.subject.name}: {one.name}" for one in measurements))
        return GOOD
    require_two_cores()
    since, size = time.monotonic(), size_of(options)
    given = {**conditions(COMMAND, sys.argv[1:]), "other packages": versions_of_peers()}
    results = measure_all([sized(one, size) for one in measurements], size.repeats, logs)
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    given["all measured"] = "yes" if results.is_complete else "no"
    folder = options.folder or (QUICK_RESULTS if options.quick else RESULTS)
    content = {"conditions": given, "measurements": results.as_dict()}
    text = as_text(results, given)
    publish(folder, "compare", text, content, "labs.benchmarks.comparison.plot")
    return GOOD if results.is_complete else BAD


def main() -> int:
    """Compare, and return the exit status."""
    what = "a measurement (rtt50), a room (channels4-core) or a row of the table"
    options = parser_of(COMMAND, __doc__, what).parse_args()
    return run_command("benchmarks", partial(compare, options))


if __name__ == "__main__":
    sys.exit(main())
