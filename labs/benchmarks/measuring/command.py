"""The options of the commands that measure."""

from __future__ import annotations

import argparse
from pathlib import Path

from labs.harness.command import make_parser


def parser_of(command: str, describes: str | None, what: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all have; *what* may be chosen by ``--only``."""
    parser = make_parser(command, describes, what)
    parser.add_argument("--quick", action="store_true", help="measure once, and for a short time")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often each is measured")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long each is measured")
    text = "where the results go (labs/benchmarks/results, with --quick .../quick)"
    parser.add_argument("--folder", type=Path, help=text)
    return parser
