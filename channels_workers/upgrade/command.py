"""The command: reads the paths, prints or writes, and says what is left to do."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from channels_workers.upgrade.files import find_files, is_python
from channels_workers.upgrade.findings import Finding, is_done
from channels_workers.upgrade.source import move_source, old_line

_STATUS_LEFT = 1
_NO_NEWLINE = "\\ No newline at end of file"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the process with 2 if they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m channels_workers.upgrade",
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
    findings: list[Finding] = []
    for path in find_files(options.paths):
        if is_python(path):
            findings += move_file(path, options.write)
    return 0 if is_done(findings) else _STATUS_LEFT


def move_file(path: Path, write: bool) -> list[Finding]:
    """Move one file, print what is to be said of it, and return that."""
    try:
        content = path.read_bytes()
        moved = move_source(content, path.name)
        if write and moved.content != content:
            path.write_bytes(moved.content)
    except OSError as error:
        findings = [Finding(1, "cannot be read or written", str(error))]
    else:
        findings = moved.findings
        if not write:
            old, new = content.decode(errors="replace"), moved.content.decode(errors="replace")
            sys.stdout.writelines(patch(path, old, new))
            pair = old.splitlines(), new.splitlines()
            findings = [replace(item, line=old_line(item.line, *pair)) for item in findings]
    for finding in findings:
        print(finding.in_file(path), file=sys.stderr)
    return findings


def patch(path: Path, old: str, new: str) -> list[str]:
    """Return the difference as a patch that `git apply` takes."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return [line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}\n" for line in lines]
