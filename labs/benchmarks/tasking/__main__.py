"""Measures tasks on this package, Celery and dramatiq.

Latency: all workers stand side by side, and get one task in turn. Rates: each worker alone, with a
fresh Redis. Kills: all side by side, with tasks that wait.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from labs.benchmarks.measuring.conditions import conditions, versions_in
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.benchmarks.tasking.report import as_text
from labs.benchmarks.tasking.series import FULL, QUICK, measure_all, steps
from labs.benchmarks.tasking.subjects import MEASUREMENTS, OTHER_PYTHON, SUBJECTS
from labs.harness.command import BAD, GOOD, make_parser, run_command
from labs.harness.postgres import program
from labs.harness.registry import require_known
from labs.harness.report import say

COMMAND = "labs/benchmarks/tasks"

PACKAGES = ("celery", "kombu", "django-celery-results", "dramatiq", "redis", "hiredis", "psycopg")


def given_conditions() -> dict[str, Any]:
    """Return date, machine and versions."""
    given = conditions(COMMAND, sys.argv[1:])
    del given["packages of 2017"]
    version = [program("postgres"), "--version"]
    given["postgres"] = subprocess.check_output(version, text=True).split()[2]
    given["packages of the other runners"] = versions_in(OTHER_PYTHON, PACKAGES)
    return given


def compare(options: argparse.Namespace, logs: Path) -> int:
    """Measure, write the results, and return the exit status: 1 if a measurement failed."""
    require_known(
        options.only, [*MEASUREMENTS, *(one.name for one in SUBJECTS)], "what can be measured"
    )
    size = QUICK if options.quick else FULL
    if options.list:
        for name, subjects in steps(QUICK, options.only):
            say("\n".join(f"{name}: {one.name}" for one in subjects))
        return GOOD
    since, given = time.monotonic(), given_conditions()
    results = measure_all(size, options.only, logs)
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    given["all measured"] = "no" if results.failures else "yes"
    folder = options.folder or (QUICK_RESULTS if options.quick else RESULTS)
    text = as_text(results, given)
    publish(folder, "tasks", text, {"conditions": given, "figures": results.as_dict()})
    return BAD if results.failures else GOOD


def main() -> int:
    """Compare, and return the exit status."""
    what = "a measurement (latency, rate, killed) or a runner"
    parser = make_parser(COMMAND, __doc__, what)
    parser.add_argument("--quick", action="store_true", help="measure once and briefly")
    text = "folder of the results (labs/benchmarks/results, with --quick .../quick)"
    parser.add_argument("--folder", type=Path, help=text)
    run = partial(compare, parser.parse_args())
    return run_command("benchmarks", run, mode=0o711)  # PostgreSQL runs as another user than root


if __name__ == "__main__":
    sys.exit(main())
