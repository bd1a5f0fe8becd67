"""Shared by the commands of the labs: options, a log folder, exit statuses."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from labs.harness.report import say
from labs.harness.signals import interruptible

#: Exit statuses: success, failure, wrong command line, SIGINT or SIGTERM.
GOOD, BAD, MISUSED, INTERRUPTED = 0, 1, 2, 130

#: Runs with a log folder, and returns the exit status.
Run = Callable[[Path], int]


def make_parser(command: str, describes: str | None, only: str = "") -> argparse.ArgumentParser:
    """A parser with ``--list``. Adds ``--only`` if *only* describes its names."""
    parser = argparse.ArgumentParser(prog=command, description=describes)
    parser.add_argument("--list", action="store_true", help="list what there is, and exit")
    if only:
        parser.add_argument(
            "--only", action="append", default=[], metavar="NAME", help=f"{only}; repeatable"
        )
    return parser


def add_files(parser: argparse.ArgumentParser, *kinds: str) -> None:
    """Add options that write the results to files, such as ``--json`` and ``--markdown``."""
    for kind in kinds:
        text = f"write the results there too, as {kind}"
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=text)


def run_command(name: str, run: Run, *, mode: int = 0o700) -> int:
    """Run, and return the exit status: 2 after a ValueError, 1 after a RuntimeError.

    Both are printed without a stack trace. The log folder has *mode*, and stays after a failure.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    folder.chmod(mode)
    try:
        with interruptible():
            status = run(folder)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except ValueError as error:
        say(str(error))
        status = MISUSED
    except RuntimeError as error:
        say(str(error))
        status = BAD
    if status in {BAD, INTERRUPTED}:
        say(f"The logs of all processes are in {folder}")
    else:
        shutil.rmtree(folder)
    return status
