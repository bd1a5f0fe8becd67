"""The options of the measuring commands."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labs.benchmarks.measuring.conditions import conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.measuring.series import measure_all
from labs.benchmarks.measuring.subject import Measurement
from labs.benchmarks.serving.cores import require_two_cores
from labs.harness.command import BAD, GOOD, make_parser
from labs.harness.registry import require_known
from labs.harness.report import say

#: Makes the text of a report of results and the conditions, which it must not change.
AsText = Callable[[Results, dict[str, Any]], str]


def parser_of(command: str, describes: str | None, what: str) -> argparse.ArgumentParser:
    """Return a parser with the common options. *what* describes ``--only``."""
    parser = make_parser(command, describes, what)
    parser.add_argument("--quick", action="store_true", help="measure once and briefly")
    parser.add_argument("--repeats", type=int, metavar="N", help="number of repeats")
    parser.add_argument("--seconds", type=float, metavar="S", help="seconds of each measurement")
    text = "folder of the results (labs/benchmarks/results, with --quick .../quick)"
    parser.add_argument("--folder", type=Path, help=text)
    return parser


def chosen(
    options: argparse.Namespace,
    found: Sequence[Measurement],
    names_of: Callable[[Measurement], set[str]],
) -> list[Measurement]:
    """Return those of *found* that ``--only`` names; an unknown name ends the command."""
    known = sorted({name for one in found for name in names_of(one)})
    require_known(options.only, known, "what can be measured")
    return [one for one in found if not options.only or set(options.only) & names_of(one)]


def measure_and_write(
    options: argparse.Namespace,
    found: Sequence[Measurement],
    repeats: int,
    logs: Path,
    *,
    command: str,
    name: str,
    as_text: AsText,
    more: Callable[[], dict[str, Any]] = dict,
) -> int:
    """Measure *found*, write the results as *name*; return the exit status: 1 if one failed.

    With ``--list`` only say what would be measured. *more* is asked before the measurements for
    further content of the file.
    """
    if options.list:
        say("\n".join(f"{one.subject.name}: {one.name}" for one in found))
        return GOOD
    require_two_cores()
    since, given = time.monotonic(), conditions(command, sys.argv[1:])
    content = {"conditions": given, **more()}
    results = measure_all(found, options.repeats or repeats, logs)
    given["minutes"] = round((time.monotonic() - since) / 60, 1)
    given["all measured"] = "yes" if results.is_complete else "no"
    content["measurements"] = results.as_dict()
    folder = options.folder or (QUICK_RESULTS if options.quick else RESULTS)
    text = as_text(results, given)
    publish(folder, name, text, content)
    return GOOD if results.is_complete else BAD
