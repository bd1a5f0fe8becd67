"""Moves a text as the command moves a file."""

from pathlib import Path
from textwrap import dedent

from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.settings import Settings
from channels_workers_upgrade.source import move_source


def move(text: str, name: str = "consumers.py") -> str:
    """Return the moved file. Moving it again must change nothing."""
    moved = move_source(text.encode(), Path(name), Settings()).content
    again = move_source(moved, Path(name), Settings()).content
    assert again == moved
    compile(moved, name, "exec")
    return moved.decode()


def findings(text: str, name: str = "consumers.py") -> list[Finding]:
    """Return the findings of a file, with lines of the moved file."""
    return move_source(dedent(text).encode(), Path(name), Settings()).findings


def report(text: str, name: str = "consumers.py") -> list[str]:
    """Return the findings of a file as `line: what`."""
    return [f"{finding.line}: {finding.what}" for finding in findings(text, name)]
