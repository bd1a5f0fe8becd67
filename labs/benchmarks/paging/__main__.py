"""Measures what a request costs when workers answer it, beside Django in the interface server.

Both sides take turns. Each measurement has fresh processes and an empty Redis. The figures are
medians of the repeats.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from labs.benchmarks.measuring.command import chosen, measure_and_write, parser_of
from labs.benchmarks.paging.report import as_text
from labs.benchmarks.paging.subjects import measurements, names_of
from labs.harness.command import run_command

COMMAND = "labs/benchmarks/pages"

#: Seconds and repeats of a full run, and of a quick one.
FULL, QUICK = (5.0, 5), (1.0, 1)


def compare(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    seconds, repeats = QUICK if options.quick else FULL
    found = chosen(options, measurements(options.seconds or seconds), names_of)
    return measure_and_write(
        options, found, repeats, logs, command=COMMAND, name="pages", as_text=as_text
    )


def main() -> int:
    """Compare, and return the exit status."""
    what = "a measurement (get50), a room (pages-workers) or a row of the table"
    options = parser_of(COMMAND, __doc__, what).parse_args()
    return run_command("benchmarks", partial(compare, options))


if __name__ == "__main__":
    sys.exit(main())
