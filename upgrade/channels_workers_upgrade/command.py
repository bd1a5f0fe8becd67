"""The command line: which paths to read, and whether to write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from channels_workers_upgrade.files import find_files
from channels_workers_upgrade.findings import is_done
from channels_workers_upgrade.project import Project

_NOTHING_LEFT, _SOMETHING_LEFT = 0, 1


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the process with 2 if they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m channels_workers_upgrade",
        description="Moves a project from Channels 1.1.8 to channels_workers. Prints a patch to "
        "the standard output, and to the standard error what is left to do by hand.",
        epilog="Exit status: 0 nothing is left to do, 1 something is, 2 wrong arguments.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file or a folder")
    parser.add_argument("--write", action="store_true", help="change the files")
    options = parser.parse_args(arguments)
    for path in options.paths:
        if not path.exists():
            parser.error(f"{path} is not there; give files or folders of your project")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parse_arguments(arguments)
    project = Project(options.write)
    for path in find_files(options.paths):
        project.take(path)
    project.finish()
    if not options.write:
        for patch in project.patches.values():
            sys.stdout.buffer.write(bytes(patch))
    findings = [finding for _, finding in project.report]
    left = sum(not finding.is_note for finding in findings)
    done = "changed" if options.write else "to be changed by --write"
    for line in project.lines():
        print(line, file=sys.stderr)
    print(f"{len(project.patches)} files {done}, {left} things left to do by hand", file=sys.stderr)
    return _NOTHING_LEFT if is_done(findings) else _SOMETHING_LEFT
