"""Measures what a request costs when workers answer it, beside Django in the interface server.

Both sides take turns. Each measurement has fresh processes and an empty Redis. The figures are
medians of the repeats.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from labs.benchmarks.measuring.command import chosen, parser_of
from labs.benchmarks.measuring.conditions import conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, write
from labs.benchmarks.measuring.series import measure_all
from labs.benchmarks.paging.report import as_text
from labs.benchmarks.paging.subjects import measurements, names_of
from labs.benchmarks.serving.cores import require_two_cores
from labs.harness.command import BAD, GOOD, run_command
from labs.harness.report import say

COMMAND = "labs/benchmarks/pages"

#: Seconds and repeats of a full run, and of a quick one.
FULL, QUICK = (5.0, 5), (1.0, 1)


def compare(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    seconds, repeats = QUICK if options.quick else FULL
    found = chosen(options, measurements(options.seconds or seconds), names_of)
    if options.list:
        say("\n".join(f"{one.subject.name}: {one.name}" for one in found))
        return GOOD
    require_two_cores()
    since, given = time.monotonic(), conditions(COMMAND, sys.argv[1:])
    results = measure_all(found, options.repeats or repeats, logs)
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    given["all measured"] = "yes" if results.is_complete else "no"
    folder = options.folder or (QUICK_RESULTS if options.quick else RESULTS)
    content = {"conditions": given, "measurements": results.as_dict()}
    text = as_text(results, given)
    say(text)
    for file in write(folder, "pages", text, content):
        say(str(file))
    return GOOD if results.is_complete else BAD


def main() -> int:
    """Compare, and return the exit status."""
    what = "a measurement (get50), a room (pages-workers) or a row of the table"
    options = parser_of(COMMAND, __doc__, what).parse_args()
    return run_command("benchmarks", partial(compare, options))


if __name__ == "__main__":
    sys.exit(main())
