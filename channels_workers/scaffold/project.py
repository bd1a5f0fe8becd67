"""What the running project tells about itself: its packages, folders and missing settings."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings

#: What startproject writes.
DJANGO_ASGI = Path(django.__file__).parent / "conf/project_template/project_name/asgi.py-tpl"

LAYER = """CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"},
}"""


def folder_of(package: str) -> Path | None:
    """Return the folder of *package*; None if there is no such package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def local_folders(root: Path) -> tuple[str, ...]:
    """Return the names of the folders in *root* that the site needs."""
    return tuple(sorted(set(_tops(root, _used_folders()))))


def _used_folders() -> Iterator[Path]:
    yield from (Path(app.path) for app in apps.get_app_configs())
    engines: list[dict[str, Any]] = list(settings.TEMPLATES)
    yield from (Path(folder) for engine in engines for folder in engine.get("DIRS", ()))
    # An entry may be a pair of a prefix and a folder.
    entries: list[Any] = list(settings.STATICFILES_DIRS)
    for entry in entries:
        yield Path(entry[1] if isinstance(entry, (list, tuple)) else entry)


def _tops(root: Path, folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        if folder.is_relative_to(root) and "site-packages" not in folder.parts:
            top = folder.relative_to(root).parts[:1]
            yield from (name for name in top if (root / name).is_dir())


def missing_settings(package: str) -> list[str]:
    """Return the lines that the settings need besides ``channels_workers`` in the apps."""
    wanted = {
        "ASGI_APPLICATION": f'ASGI_APPLICATION = "{package}.asgi.application"',
        "CHANNEL_ROUTING": f'CHANNEL_ROUTING = "{package}.routing.channel_routing"',
        "CHANNEL_LAYERS": LAYER,
    }
    return [line for name, line in wanted.items() if not hasattr(settings, name)]


def is_from_startproject(file: Path, package: str) -> bool:
    """Say whether *file* is the ``asgi.py`` that startproject writes for *package*."""
    template = DJANGO_ASGI.read_text().replace("{{ project_name }}", package)
    try:
        return _code(file.read_text()) == _code(template)
    except (OSError, SyntaxError):
        return False


def _code(text: str) -> list[str]:
    """Return the statements of a module without its docstring."""
    body = ast.parse(text).body
    return [ast.dump(node) for node in body if not isinstance(node, ast.Expr)]
