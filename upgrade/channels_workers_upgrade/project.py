"""Moves the files of a project and collects the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from channels_workers_upgrade.application import APPLICATION, entry_folder, missing_entry
from channels_workers_upgrade.files import (
    is_declaring,
    is_installing,
    is_page,
    is_procfile,
    is_python,
    is_requirements,
    is_script,
    read_text,
    replace_content,
)
from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.marks import may_use_channels
from channels_workers_upgrade.packages import find_declared, find_installed, find_packages
from channels_workers_upgrade.pages import find_bridges
from channels_workers_upgrade.patch import Patch
from channels_workers_upgrade.processes import find_processes

if TYPE_CHECKING:
    from channels_workers_upgrade.settings import Settings

_SETTING = APPLICATION.encode()

Report = list[tuple[Path, Finding]]
Reader = Callable[[str], Iterable[Finding]]


class Project:
    """The patches and the report of a project.

    *write*: change the files. The report then has the line numbers of the changed files,
    otherwise those of the files as they are.
    """

    def __init__(self, write: bool = False) -> None:
        self.write = write
        self.patches: dict[Path, Patch] = {}
        self._unwritten: dict[Path, Patch] = {}
        self.report: Report = []

    @cached_property
    def settings(self) -> Settings:
        """The settings in all files; loaded when a file has one of Channels."""
        from channels_workers_upgrade.settings import Settings  # noqa: PLC0415  (a run that needs it not starts sooner)

        return Settings()

    def take(self, path: Path) -> None:
        """Move a Python file; check any other file."""
        try:
            if is_python(path):
                self._move(path)
            for is_of_kind, read in _READERS:
                if is_of_kind(path):
                    self._add(path, read(read_text(path)))
        except OSError as error:
            self._add(path, [Finding(1, "cannot be read", f"{error.strerror}")])
        except Exception as error:  # noqa: BLE001  (move the other files all the same)
            self._add(path, [Finding(1, "cannot be moved", f"{_describe(error)}; move it by hand")])

    def finish(self) -> None:
        """Add findings about settings, which may be spread over several files."""
        if "settings" in vars(self):
            for path, finding in self.settings.findings():
                self._add(path, [finding])

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report, file by file."""
        for path, finding in sorted(self.report):
            yield finding.in_file(path)

    def _move(self, path: Path) -> None:
        content = path.read_bytes()
        if not may_use_channels(content):
            return
        from channels_workers_upgrade.source import move_source  # noqa: PLC0415  (a run that needs it not starts sooner)

        moved = move_source(content, path, self.settings)
        if moved.content != content:
            patch = Patch(path, content, moved.content)
            if self.write:
                self._write(patch, moved.content)
            else:
                self.patches[path] = self._unwritten[path] = patch
        if _SETTING in moved.content and _SETTING not in content:
            self._create_entry(path)
        self._add(path, moved.findings)

    def _create_entry(self, settings: Path) -> None:
        """Write the application that new *settings* name, if no file has it yet."""
        folder = entry_folder(settings)
        entry = missing_entry(folder) if folder else None
        if entry is None:
            return
        try:
            if self.write:
                entry.path.write_bytes(entry.content)
        except OSError as error:
            self._add(entry.path, [Finding(1, "cannot be written", f"{error.strerror}")])
        else:
            self.patches[entry.path] = Patch(entry.path, b"", entry.content)

    def _write(self, patch: Patch, content: bytes) -> None:
        try:
            replace_content(patch.path, content)
        except OSError as error:
            self._add(patch.path, [Finding(1, "cannot be written", f"{error.strerror}")])
            self._unwritten[patch.path] = patch
        else:
            self.patches[patch.path] = patch

    def _add(self, path: Path, findings: Iterable[Finding]) -> None:
        patch = self._unwritten.get(path)
        for finding in findings:
            number = patch.old_line(finding.line) if patch else finding.line
            self.report.append((path, finding._replace(line=number)))


def _describe(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "one of its expressions is nested too deeply"
    return f"{type(error).__name__}: {error}"


_READERS: list[tuple[Callable[[Path], bool], Reader]] = [
    (is_requirements, find_packages),
    (is_declaring, find_declared),
    (is_procfile, find_processes),
    (is_script, find_processes),
    (is_installing, find_installed),
    (is_page, find_bridges),
]
