"""A long run shows a line on a terminal."""

from io import StringIO
from pathlib import Path

import pytest

from channels_workers_upgrade.progress import Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_file_and_loses_the_line_at_the_end() -> None:
    terminal = Terminal()
    progress = Progress(terminal, interval=0)
    progress.show(Path("a.py"))
    progress.show(Path("b.py"))
    assert terminal.getvalue().endswith("\r\x1b[2K2 files, now b.py")
    progress.clear()
    assert terminal.getvalue().endswith("b.py\r\x1b[2K")


def test_a_long_path_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    Progress(terminal, interval=0).show(Path("a" * 500))
    assert len(terminal.getvalue()) < 100


def test_a_short_run_shows_nothing() -> None:
    terminal = Terminal()
    progress = Progress(terminal, interval=60)
    progress.show(Path("a.py"))
    progress.clear()
    assert terminal.getvalue() == ""


def test_nothing_goes_into_a_file() -> None:
    file = StringIO()
    Progress(file, interval=0).show(Path("a.py"))
    assert file.getvalue() == ""
