"""Lets rooms talk for an hour, while visitors come and go, and says whether all stays flat.

One interface server and two workers run on core 0, and the load on core 1. Visitors use channel
sessions, groups, and delayed messages. The exit status is 1 if memory, files, threads or keys
grew, or if anything was lost, repeated or out of order.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from labs.benchmarks.measuring.conditions import conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.benchmarks.serving.cores import require_two_cores
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.soaking.flat import GROWS
from labs.benchmarks.soaking.plan import Plan
from labs.benchmarks.soaking.report import as_text
from labs.benchmarks.soaking.run import soak
from labs.harness.command import BAD, GOOD, run_command

COMMAND = "labs/benchmarks/soak"
ROOM = "channels_workers-soak"

#: The results of shorter runs (minutes) are not committed.
SHORTEST = 5.0


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    text = "the kind of the interface server (default: uvicorn)"
    parser.add_argument("--server", choices=("daphne", "uvicorn"), default="uvicorn", help=text)
    text = "how long (default: 60)"
    parser.add_argument("--minutes", type=_positive, default=plan.seconds / 60, help=text)
    text = "seconds between samples (default: 10)"
    parser.add_argument("--every", type=_positive, default=plan.every, metavar="S", help=text)
    text = "messages a second (default: 50)"
    parser.add_argument("--rate", type=_positive, default=plan.rate, help=text)
    text = "visits a second (default: 5)"
    parser.add_argument("--visits", type=float, default=plan.visits, help=text)
    text = "folder of the results (labs/benchmarks/results, below 5 minutes .../quick)"
    parser.add_argument("--folder", type=Path, help=text)
    return parser.parse_args()


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def run(options: argparse.Namespace, logs: Path) -> int:
    """Soak, write the results, and return the exit status."""
    require_two_cores()
    plan = Plan(
        seconds=options.minutes * 60,
        every=options.every,
        rate=options.rate,
        visits=options.visits,
    )
    given = {"server": options.server, **conditions(COMMAND, sys.argv[1:])}
    del given["packages of 2017"]
    result = soak(find_room(ROOM), options.server, plan, logs)
    given["ran to its end"] = "yes" if result.is_complete else "no"
    text = as_text(result, plan, given)
    content = {"conditions": given, **vars(result)}
    folder = options.folder or (RESULTS if options.minutes >= SHORTEST else QUICK_RESULTS)
    plot = "labs.benchmarks.soaking.plot" if result.samples else ""
    publish(folder, f"soak-{options.server}", text, content, plot)
    is_good = result.is_complete and not result.errors and result.verdict() != GROWS
    return GOOD if is_good else BAD


def main() -> int:
    """Run, and return the exit status."""
    return run_command("soak", partial(run, parse()))


if __name__ == "__main__":
    sys.exit(main())
