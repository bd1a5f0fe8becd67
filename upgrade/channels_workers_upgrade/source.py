"""Moves one Python file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from channels_workers_upgrade.apps import rewrite_apps, taken_out
from channels_workers_upgrade.entry import FILE, rewrite_entry
from channels_workers_upgrade.files import application_beside
from channels_workers_upgrade.findings import Finding, placed
from channels_workers_upgrade.imports import rewrite_imports
from channels_workers_upgrade.leftovers import find_leftovers
from channels_workers_upgrade.routing import move_routing
from channels_workers_upgrade.settings import Settings
from channels_workers_upgrade.strings import rewrite_strings
from channels_workers_upgrade.tree import Tree

#: What an entry point has, under whatever name.
_SETS_UP_DJANGO = b"DJANGO_SETTINGS_MODULE"


class Moved(NamedTuple):
    """The new content of a file, and its findings, with line numbers of the new content."""

    content: bytes
    findings: list[Finding]


def move_source(content: bytes, path: Path, settings: Settings) -> Moved:
    """Return the *content* of a file, rewritten as far as possible.

    *settings* collects the settings in it.
    """
    try:
        tree = Tree.of(content)
    except (SyntaxError, ValueError) as error:
        return Moved(content, [_unparsed(error)])
    before = tree
    if path.name == FILE or _SETS_UP_DJANGO in content:
        tree = tree.edited(rewrite_entry(tree))
    edits, gone = rewrite_apps(tree)
    tree = tree.edited(edits)
    tree = tree.edited([*rewrite_imports(tree), *rewrite_strings(tree)])
    tree = tree.edited(move_routing(tree, application_beside(path)))
    settings.read(tree, path)
    findings = sorted(placed([*find_leftovers(tree), *taken_out(tree, gone)]))
    return Moved(content if tree is before else tree.content, findings)


def _unparsed(error: SyntaxError | ValueError) -> Finding:
    line, message = 1, str(error)
    if isinstance(error, SyntaxError):
        line, message = error.lineno or 1, error.msg
    cure = f"{message}. Convert it to Python 3 (with 2to3 of Python 3.12), then repeat the command"
    return Finding(line, "cannot be parsed", cure)
