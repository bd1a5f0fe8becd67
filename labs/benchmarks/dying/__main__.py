"""Measures how soon a site is back after a death, on a machine that is busy.

Workers are killed in the middle of a message, and interface servers with sockets. Exit status 1 if
the 99th percentile of a time is above its limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from labs.benchmarks.dying.burners import busy
from labs.benchmarks.dying.figures import Death, Figures
from labs.benchmarks.dying.report import as_text
from labs.benchmarks.dying.servers import kill_servers
from labs.benchmarks.dying.workers import kill_workers
from labs.benchmarks.measuring.conditions import conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.harness.command import BAD, GOOD, make_parser, run_command
from labs.harness.registry import require_known
from labs.harness.report import say

COMMAND = "python -m labs.benchmarks.dying"

#: How many processes of each kind are killed, also in a quick run.
KILLS, QUICK = 50, 5

KINDS: dict[str, Callable[[int, Path], Iterator[Death]]] = {
    "workers": kill_workers,
    "servers": kill_servers,
}


def measure(kind: str, kills: int, folder: Path) -> list[Death]:
    """Kill processes of one kind, and print each result."""
    deaths = []
    for death in KINDS[kind](kills, folder / kind):
        deaths.append(death)
        say(f"{kind} {len(deaths):3}/{kills} {death.longest:6.2f} s")
    return deaths


def figures_of(kind: str, deaths: list[Death]) -> dict[str, Figures]:
    """Return the rows of the table."""
    longest = Figures.of([death.longest for death in deaths])
    if kind == "workers":
        return {"the message of a worker ran elsewhere": longest}
    each = Figures.of([time for death in deaths for time in death.after])
    return {"the disconnect of a socket ran": each, "all disconnects of a server ran": longest}


def given_conditions(options: argparse.Namespace, cores: frozenset[int]) -> dict[str, Any]:
    """Return date, machine and versions, and what else the machine does."""
    given = conditions("python", [*COMMAND.split()[1:], *sys.argv[1:]])
    del given["packages of 2017"]
    own = f"a process computes on each of {len(cores)} cores"
    return {**given, "busy": "no" if options.idle else own, "load before": load()}


def load() -> float:
    """Return how many processes were running or ready in the last minute, on average."""
    return round(os.getloadavg()[0], 1)


def run(options: argparse.Namespace, folder: Path) -> int:
    """Measure, write the results, and return the exit status."""
    require_known(options.only, [*KINDS], "a kind of process")
    kinds = [kind for kind in KINDS if kind in options.only or not options.only]
    if options.list:
        say("\n".join(kinds))
        return GOOD
    cores, kills = frozenset(os.sched_getaffinity(0)), QUICK if options.quick else KILLS
    since, given = time.monotonic(), given_conditions(options, cores)
    with nullcontext() if options.idle else busy(cores, folder):
        deaths = {kind: measure(kind, kills, folder) for kind in kinds}
    given["load after"] = load()
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    return report(deaths, given, options.folder or (QUICK_RESULTS if options.quick else RESULTS))


def report(deaths: dict[str, list[Death]], given: dict[str, Any], folder: Path) -> int:
    """Write the results into *folder*, and return the exit status."""
    found = {name: each for kind in deaths for name, each in figures_of(kind, deaths[kind]).items()}
    text = as_text(found, given)
    seconds = {kind: [death.after for death in own] for kind, own in deaths.items()}
    publish(folder, "deaths", text, {"conditions": given, "seconds": seconds})
    return GOOD if all(each.is_met for each in found.values()) else BAD


def main() -> int:
    """Measure, and return the exit status."""
    parser = make_parser(COMMAND, __doc__, "a kind of process: workers or servers")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} kills of each kind")
    parser.add_argument("--idle", action="store_true", help="do not keep the machine busy")
    text = "folder of the results (labs/benchmarks/results, with --quick .../quick)"
    parser.add_argument("--folder", type=Path, help=text)
    return run_command("deaths", partial(run, parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
