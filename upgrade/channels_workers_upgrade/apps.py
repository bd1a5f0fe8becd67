"""Rewrites lists of apps: removes those that no longer exist, and puts ours first."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from channels_workers_upgrade.findings import Remark
from channels_workers_upgrade.lists import Written, written
from channels_workers_upgrade.renames import NEW
from channels_workers_upgrade.routing import assigned
from channels_workers_upgrade.tree import Edit, Tree, last_name

APPS = "INSTALLED_APPS"
STATIC = "django.contrib.staticfiles"
DAPHNE = "daphne"

_OURS = {"channels", "channels.apps.ChannelsConfig"}

#: Apps of 1.1.8 that the engine does not have, each with the alternative.
GONE = {
    "channels.binding": "it was not an app",
}


def rewrite_apps(tree: Tree) -> tuple[list[Edit], list[str]]:
    """Return the edits of the lists of apps, and the removed apps."""
    edits: list[Edit] = []
    gone: list[str] = []
    for name, value in _lists(tree):
        apps = written(tree, value)
        if apps is None:
            continue
        for text in [text for text in _texts(apps) if text in GONE]:
            apps.take(_texts(apps).index(text))
            gone.append(text)
        if name == APPS:
            _put_before_static(apps)
        if apps.result != apps.text:
            edits.append(apps.edit)
    return edits, gone


def _lists(tree: Tree) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the lists of apps with their names; "" for one that is added to another."""
    for node in tree.all(ast.Assign):
        name, value = assigned(node)
        if _is_apps(name):
            yield name, value
    for added in tree.all(ast.AugAssign):
        if _is_apps(last_name(added.target)):
            yield "", added.value


def taken_out(tree: Tree, gone: list[str]) -> Iterator[Remark]:
    """Yield a note for each app that was removed from a list in *tree*."""
    lists = (node for node in tree.module.body if _is_apps(assigned(node)[0]))
    place = next(lists, None)
    for name in gone:
        what, cure = f'"{name}" in {APPS}', f"removed: {GONE[name]}"
        yield Remark(place, what, cure, is_note=True)


def _is_apps(name: str) -> bool:
    return name.upper().endswith("APPS")


def _texts(apps: Written) -> list[str]:
    return [_text(element) for element in apps.elements]


def _text(element: str) -> str:
    """Return the value of an element that is a string literal, "" for anything else."""
    try:
        value = ast.literal_eval(element)
    except (ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""


def _put_before_static(apps: Written) -> None:
    """Put the engine before static files, as system checks require."""
    texts = _texts(apps)
    ours = next((index for index, text in enumerate(texts) if text in _OURS), None)
    if ours is None or any(text.partition(".")[0] == NEW for text in texts):
        return
    text = apps.elements[ours]
    if STATIC in texts[:ours] and not apps.has_comments(ours):
        apps.take(ours)
        apps.put(texts.index(STATIC), text)
