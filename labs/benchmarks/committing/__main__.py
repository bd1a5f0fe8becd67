"""Measures what ``@once`` costs, beside the same consumer without it.

The consumers take turns. Each measurement has fresh processes, an empty Redis and an empty
database. The figures are medians of the repeats.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from labs.benchmarks.committing.queries import queries_of
from labs.benchmarks.committing.report import as_text
from labs.benchmarks.committing.subjects import measurements, names_of
from labs.benchmarks.measuring.command import chosen, parser_of
from labs.benchmarks.measuring.conditions import conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, write
from labs.benchmarks.measuring.series import measure_all
from labs.benchmarks.serving.cores import require_two_cores
from labs.harness.command import BAD, GOOD, run_command
from labs.harness.report import say

COMMAND = "labs/benchmarks/once"

#: Seconds, those before, and repeats of a full run, and of a quick one.
FULL, QUICK = (3.0, 0.5, 3), (1.0, 0.3, 1)


def compare(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    seconds, warmup, repeats = QUICK if options.quick else FULL
    found = chosen(options, measurements(options.seconds or seconds, warmup), names_of)
    if options.list:
        say("\n".join(f"{one.subject.name}: {one.name}" for one in found))
        return GOOD
    require_two_cores()
    since, given = time.monotonic(), conditions(COMMAND, sys.argv[1:])
    queries = {room: _queries(room, logs) for room in {one.subject.room for one in found}}
    results = measure_all(found, options.repeats or repeats, logs)
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    given["all measured"] = "yes" if results.is_complete else "no"
    folder = options.folder or (QUICK_RESULTS if options.quick else RESULTS)
    content = {"conditions": given, "queries": queries, "measurements": results.as_dict()}
    text = as_text(results, queries, given)
    say(text)
    for file in write(folder, "once", text, content):
        say(str(file))
    return GOOD if results.is_complete else BAD


def _queries(room: str, logs: Path) -> int:
    with tempfile.TemporaryDirectory(dir=logs) as folder:
        return queries_of(room, Path(folder))


def main() -> int:
    """Compare, and return the exit status."""
    what = "a database (PostgreSQL), a room (rows-once) or a row of the table"
    options = parser_of(COMMAND, __doc__, what).parse_args()
    # PostgreSQL, which may run as another user, has a folder among the logs.
    return run_command("benchmarks", partial(compare, options), mode=0o755)


if __name__ == "__main__":
    sys.exit(main())
