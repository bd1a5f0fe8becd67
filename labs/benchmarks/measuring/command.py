"""What the commands that measure have in common."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from labs.benchmarks.measuring.progress import say
from labs.harness.signals import interruptible

#: Measures, with a folder for logs; says whether all could be measured.
Run = Callable[[Path], bool]


def parser_of(command: str, describes: str | None, what: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all have; *what* may be chosen by ``--only``."""
    parser = argparse.ArgumentParser(prog=command, description=describes)
    parser.add_argument("--quick", action="store_true", help="measure once, and for a short time")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help=f"{what}; may be repeated"
    )
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often each is measured")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long each is measured")
    text = "where the results go (labs/benchmarks/results, with --quick .../quick)"
    parser.add_argument("--folder", type=Path, help=text)
    return parser


def run_command(run: Run) -> int:
    """Run, and return the exit status; logs are kept if something could not be measured."""
    logs = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    try:
        with interruptible():
            is_complete = run(logs)
    except KeyboardInterrupt:
        shutil.rmtree(logs)
        return 130
    except (ValueError, RuntimeError) as error:
        shutil.rmtree(logs)
        say(str(error))
        return 2
    if is_complete:
        shutil.rmtree(logs)
        return 0
    say(f"Not all could be measured. What the processes wrote is in {logs}")
    return 1
