"""Measures all rooms and compares them with each other and with the goals.

Each measurement has fresh processes and an empty Redis, with all processes of the site on core 0
and the load on core 1, but where nothing is pinned. The figures are medians of the repeats.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.comparison.plan import FULL, QUICK, Size, chosen, sized
from benchmarks.comparison.report import as_text, goal_table
from benchmarks.comparison.results import Results
from benchmarks.measuring.conditions import conditions
from benchmarks.measuring.files import QUICK_RESULTS, RESULTS, write
from benchmarks.measuring.measure import Failed, measure
from benchmarks.measuring.progress import Progress, say
from benchmarks.measuring.subject import Measurement
from benchmarks.serving.cores import require_two_cores
from benchmarks.serving.signals import interruptible

COMMAND = "benchmarks/compare"


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure once, and for a short time")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="a measurement (rtt50), a room (channels4-core) or a row of the table; repeatable",
    )
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--repeats", type=int, metavar="N", help="default: 3, or 1 with --quick")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long each is measured")
    parser.add_argument(
        "--folder", type=Path, help="where the results go (benchmarks/results, or .../quick)"
    )
    return parser.parse_args()


def run(measurements: Sequence[Measurement], size: Size, folder: Path) -> Results:
    """Measure all, again and again, so that a noisy minute hits all alike; say what comes."""
    results = Results()
    progress = Progress(len(measurements) * size.repeats)
    for _ in range(size.repeats):
        for measurement in measurements:
            try:
                report = measure(sized(measurement, size), folder)
            except Failed as failure:
                results.fail(measurement, str(failure))
                progress.say(f"FAILED: {failure}")
            else:
                results.add(measurement, report)
                progress.report(f"{measurement.subject.name}: {measurement.name}", report)
    return results


def size_of(options: argparse.Namespace) -> Size:
    """Return how much is wanted."""
    size = QUICK if options.quick else FULL
    return Size(
        repeats=options.repeats or size.repeats,
        seconds=options.seconds or size.seconds,
        warmup=size.warmup,
    )


def compare(options: argparse.Namespace, logs: Path) -> bool:
    """Measure, write the results, and say whether all could be measured."""
    measurements = chosen(options.only)
    if options.list:
        say("\n".join(f"{one.subject.name}: {one.name}" for one in measurements))
        return True
    require_two_cores()
    since = time.monotonic()
    given = conditions(COMMAND, sys.argv[1:])
    results = run(measurements, size_of(options), logs)
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    folder = options.folder or (QUICK_RESULTS if options.quick else RESULTS)
    content = {"conditions": given, "measurements": results.as_dict()}
    text = as_text(results, given)
    say("\n".join(goal_table(results)))
    for file in write(folder, "compare", text, content, "benchmarks.comparison.plot"):
        say(str(file))
    return not results.failures


def main() -> int:
    """Compare, and return the exit status."""
    logs = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    try:
        with interruptible():
            is_complete = compare(parse(), logs)
    except KeyboardInterrupt:
        shutil.rmtree(logs)
        return 130
    except (ValueError, RuntimeError) as error:
        say(str(error))
        return 2
    if is_complete:
        shutil.rmtree(logs)
        return 0
    say(f"Not all could be measured. What the processes wrote is in {logs}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
