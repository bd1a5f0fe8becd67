"""The options of the measuring commands."""

from __future__ import annotations

import argparse
from pathlib import Path

from labs.harness.command import make_parser


def parser_of(command: str, describes: str | None, what: str) -> argparse.ArgumentParser:
    """Return a parser with the common options. *what* describes ``--only``."""
    parser = make_parser(command, describes, what)
    parser.add_argument("--quick", action="store_true", help="measure once and briefly")
    parser.add_argument("--repeats", type=int, metavar="N", help="number of repeats")
    parser.add_argument("--seconds", type=float, metavar="S", help="seconds of each measurement")
    text = "folder of the results (labs/benchmarks/results, with --quick .../quick)"
    parser.add_argument("--folder", type=Path, help=text)
    return parser
