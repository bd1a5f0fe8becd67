"""Measures what ``@once`` costs, beside the same consumer without it.

The consumers take turns. Each measurement has fresh processes, an empty Redis and an empty
database. The figures are medians of the repeats.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from labs.benchmarks.committing.queries import queries_of
from labs.benchmarks.committing.report import as_text
from labs.benchmarks.committing.subjects import measurements, names_of
from labs.benchmarks.measuring.command import chosen, measure_and_write, parser_of
from labs.harness.command import run_command

COMMAND = "labs/benchmarks/once"

#: Seconds, those before, and repeats of a full run, and of a quick one.
FULL, QUICK = (3.0, 0.5, 3), (1.0, 0.3, 1)


def compare(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    seconds, warmup, repeats = QUICK if options.quick else FULL
    found = chosen(options, measurements(options.seconds or seconds, warmup), names_of)
    queries: dict[str, int] = {}

    def ask() -> dict[str, Any]:
        queries.update({room: _queries(room, logs) for room in {one.subject.room for one in found}})
        return {"queries": queries}

    return measure_and_write(
        options,
        found,
        repeats,
        logs,
        command=COMMAND,
        name="once",
        as_text=lambda results, given: as_text(results, queries, given),
        more=ask,
    )


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
