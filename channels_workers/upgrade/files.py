"""Which files of a project are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Folders of tools, which hold nothing that the project's people wrote.
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}

_REQUIREMENTS = {"Pipfile", "setup.cfg", "setup.py", "pyproject.toml", "tox.ini", "constraints.txt"}


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each file in *paths* once, in order; folders of tools and links are passed over."""
    seen: set[Path] = set()
    for path in paths:
        for file in sorted(_walk(path)) if path.is_dir() else [path]:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not _is_of_tools(here / name)]
        yield from (here / name for name in files if not (here / name).is_symlink())


def _is_of_tools(folder: Path) -> bool:
    name = folder.name
    return name.startswith(".") or name in _SKIPPED or (folder / "pyvenv.cfg").exists()


def read_text(path: Path) -> str:
    """Return the text of a file that is no Python."""
    return path.read_text(encoding="utf-8", errors="replace")


def is_python(path: Path) -> bool:
    """Say whether a file is Python by its name."""
    return path.suffix in {".py", ".pyw"}


def is_requirements(path: Path) -> bool:
    """Say whether a file lists packages to be installed."""
    is_list = path.suffix in {".txt", ".in"} and "requirements" in str(path)
    return is_list or path.name in _REQUIREMENTS


def is_procfile(path: Path) -> bool:
    """Say whether a file lists the processes of the project."""
    return path.name == "Procfile" or path.name.startswith("Procfile.")
