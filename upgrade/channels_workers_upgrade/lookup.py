"""Looks up the rename of a dotted name of Channels 1.1.8."""

from __future__ import annotations

from typing import NamedTuple

from channels_workers_upgrade.beside import PACKAGES, is_beside, is_of_4
from channels_workers_upgrade.names import NAMES, PASSED_ON, ROWS
from channels_workers_upgrade.renames import NEW, OLD, Rename, Status

#: Packages of 1.1.8 that define no names, and ``channels.tests``, an alias of ``test``.
_PACKAGES = {
    "channels.delay": "channels_workers.delay",
    "channels.security": "channels_workers.security",
    "channels.management": "channels_workers.management",
    "channels.management.commands": "channels_workers.management.commands",
    "channels.tests": "channels_workers.test",
}


class Found(NamedTuple):
    """The part of a dotted path that is a name of 1.1.8, its rename, and the rest of the path."""

    name: str
    rename: Rename
    rest: str


def find(name: str) -> Rename | None:
    """Return the rename of a full name such as ``channels.sessions.channel_session``."""
    name = _without_old_alias(name)
    if name in NAMES:
        return NAMES[name]
    module, _, last = name.rpartition(".")
    return _PASSED_ON.get(last) if last in PASSED_ON.get(module, "").split() else None


def find_beginning(path: str) -> Found | None:
    """Return the name of 1.1.8 at the beginning of *path*; attributes may follow it."""
    parts = path.split(".")
    for end in range(2, len(parts) + 1):
        name = ".".join(parts[:end])
        rename = find(name)
        if rename is not None:
            return Found(name, rename, ".".join(parts[end:]))
    return None


def names_of(module: str) -> dict[str, str]:
    """Return the names that ``import *`` took from a module of 1.1.8, with their targets."""
    module = _without_old_alias(module)
    defined = [name.rpartition(".")[2] for name in NAMES if name.rpartition(".")[0] == module]
    found = {name: find(f"{module}.{name}") for name in defined + PASSED_ON.get(module, "").split()}
    same = {name: rename for name, rename in found.items() if rename and rename.is_same}
    return {name: rename.target for name, rename in same.items()}


def is_old_module(name: str) -> bool:
    """Return whether *name* is a module of 1.1.8."""
    return name in MODULES


def is_known(path: str) -> bool:
    """Return whether a dotted path names something of 1.1.8, of a package of today or of another.

    Attributes may follow a name.
    """
    package = path.partition(".")[0]
    if package not in PACKAGES or path == package or find_beginning(path):
        return True
    if package != OLD:
        return is_beside(path)
    return is_old_module(path) or is_of_4(path)


def new_module(name: str) -> str:
    """Return the engine's module for the module *name* of 1.1.8, "" without one."""
    return MODULES.get(name, "")


def _without_old_alias(name: str) -> str:
    module, dot, rest = name.partition(".tests")
    return f"{module}.test{rest}" if dot and module == OLD and rest[:1] in {"", "."} else name


def _place_of(module: str) -> str:
    places = {row.here for row in ROWS if row.module == module and row.is_same}
    places = {place for place in places if place.partition(".")[0] == NEW}
    as_before = NEW + module.removeprefix(OLD)
    return as_before if as_before in places else next(iter(places)) if len(places) == 1 else ""


def _passed_on() -> dict[str, Rename]:
    """Return the rename of each re-exported name, by its last part."""
    wanted = {name for names in PASSED_ON.values() for name in names.split()}
    found: dict[str, Rename] = {}
    for name, rename in NAMES.items():
        last = name.rpartition(".")[2]
        if last in wanted:
            found.setdefault(last, rename)
    return found


def _again() -> dict[str, dict[str, str]]:
    """Return the remarks of the names that are back, by their new module and name."""
    found: dict[str, dict[str, str]] = {}
    for rename in NAMES.values():
        if rename.status is Status.AGAIN:
            module, _, name = rename.target.rpartition(".")
            found.setdefault(module, {})[name] = rename.remark
    return found


MODULES = {**{row.module: _place_of(row.module) for row in ROWS}, **_PACKAGES}
_PASSED_ON = _passed_on()

#: Names of the engine that are back after versions without them.
AGAIN = _again()
