"""The options of the measuring commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from labs.benchmarks.measuring.subject import Measurement
from labs.harness.command import make_parser
from labs.harness.registry import require_known


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
