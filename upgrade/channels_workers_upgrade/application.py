"""Writes ``asgi.py`` for a project that has ``wsgi.py`` alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

#: The setting that names it.
APPLICATION = "ASGI_APPLICATION"

_ENTRY = """\
import os

from channels_workers.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")

application = get_application()
"""

#: How ``startproject`` writes the settings into ``wsgi.py``.
_SETTINGS = re.compile(r"""["']DJANGO_SETTINGS_MODULE["']\s*[,\]]\s*=?\s*["']([\w.]+)["']""")


class Entry(NamedTuple):
    """A file to write, and its content."""

    path: Path
    content: bytes


def missing_entry(folder: Path) -> Entry | None:
    """Return the ``asgi.py`` that *folder* lacks; None if it has one, or no usual ``wsgi.py``."""
    path, model = folder / "asgi.py", folder / "wsgi.py"
    if path.exists() or not model.is_file():
        return None
    found = _SETTINGS.search(model.read_text(encoding="utf-8", errors="replace"))
    return Entry(path, _ENTRY.format(settings=found[1]).encode()) if found else None


def entry_folder(settings: Path) -> Path | None:
    """Return the folder for ``asgi.py``, beside *settings* or, if these are a package, above it.

    None if it has none, and none can be written.
    """
    for folder in (settings.parent, settings.parent.parent):
        if (folder / "asgi.py").is_file() or missing_entry(folder):
            return folder
        if not (folder / "__init__.py").exists():
            break
    return None
