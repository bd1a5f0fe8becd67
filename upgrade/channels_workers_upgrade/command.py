"""The command line: which paths to read, and whether to write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from channels_workers_upgrade import __version__
from channels_workers_upgrade.files import find_files
from channels_workers_upgrade.findings import Finding, is_done
from channels_workers_upgrade.progress import Progress
from channels_workers_upgrade.project import Project

_NOTHING_LEFT, _SOMETHING_LEFT = 0, 1

_DESCRIPTION = """\
Moves a Django project from Channels 1.1.8 to channels-workers. Prints a patch to stdout, and to
stderr what you have to change by hand.
"""
_EPILOG = "Exit status: 0 if nothing is left to do, 1 if something is, 2 for wrong arguments."


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; exit with 2 if they are wrong."""
    parser = argparse.ArgumentParser(
        prog="channels-workers-upgrade", description=_DESCRIPTION, epilog=_EPILOG
    )
    path_help = "a file or folder of your project"
    write_help = "change the files instead of printing a patch"
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=path_help)
    parser.add_argument("--write", action="store_true", help=write_help)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(arguments)
    for path in options.paths:
        if not path.exists():
            parser.error(f"{path} does not exist: give files or folders of your project")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    *arguments*: those of the command line, without the program; None takes them from ``sys.argv``.
    """
    options = parse_arguments(arguments)
    project = Project(options.write)
    progress = Progress(sys.stderr)
    for path in find_files(options.paths):
        progress.show(path)
        project.take(path)
    progress.clear()
    project.finish()
    if not options.write:
        for patch in project.patches.values():
            sys.stdout.buffer.write(bytes(patch))
    for line in project.lines():
        print(line, file=sys.stderr)
    findings = [finding for _, finding in project.report]
    print(_summary(options.write, len(project.patches), findings), file=sys.stderr)
    return _NOTHING_LEFT if is_done(findings) else _SOMETHING_LEFT


def _summary(write: bool, changed: int, findings: Sequence[Finding]) -> str:
    done = "changed" if write else "would be changed by --write"
    left = sum(not finding.is_note for finding in findings)
    return f"{changed} files {done}, {left} changes left to make by hand"
