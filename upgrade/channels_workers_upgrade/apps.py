"""Rewrites lists of apps: removes those that no longer exist and adds Daphne."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels_workers_upgrade.findings import Remark
from channels_workers_upgrade.lists import Written, written
from channels_workers_upgrade.renames import NEW
from channels_workers_upgrade.routing import assigned
from channels_workers_upgrade.strings import text_of
from channels_workers_upgrade.tree import Rewriter, Tree

APPS = "INSTALLED_APPS"
STATIC = "django.contrib.staticfiles"
DAPHNE = "daphne"

_OURS = {"channels", "channels.apps.ChannelsConfig"}

#: Apps of 1.1.8 that the engine does not have, each with the alternative.
GONE = {
    "channels.binding": "it was not an app",
}


class Apps(Rewriter):
    """Rewrites each list of apps and collects the removed apps in *gone*."""

    def __init__(self, has_daphne: bool) -> None:
        super().__init__()
        self.has_daphne = has_daphne
        self.gone: list[str] = []

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        """Rewrite ``INSTALLED_APPS = [...]``."""
        name, value = assigned(updated_node)
        return updated_node.with_changes(value=self._rewrite(name, value) or updated_node.value)

    def leave_AugAssign(
        self, original_node: cst.AugAssign, updated_node: cst.AugAssign
    ) -> cst.AugAssign:
        """Rewrite ``INSTALLED_APPS += [...]``, without adding Daphne: another list may hold it."""
        name = getattr(updated_node.target, "value", "")
        value = self._rewrite(f"+{name}", updated_node.value)
        return updated_node.with_changes(value=value or updated_node.value)

    def _rewrite(self, name: object, value: cst.CSTNode | None) -> cst.CSTNode | None:
        apps = written(value) if _is_apps(name) else None
        if apps is None:
            return None
        for text in [text for text in _texts(apps) if text in GONE]:
            apps.take(_texts(apps).index(text))
            self.gone.append(text)
        if name == APPS and not self.has_daphne:
            _add_daphne(apps)
        return apps.result()


def rewrite_apps(tree: Tree) -> tuple[cst.Module, list[str]]:
    """Return the module with its lists of apps rewritten, and the removed apps."""
    apps = Apps(any(text_of(node) == DAPHNE for node in tree.all(cst.SimpleString)))
    statements = [
        *(node for node in tree.all(cst.Assign) if _is_apps(assigned(node)[0])),
        *(node for node in tree.all(cst.AugAssign) if _is_apps(getattr(node.target, "value", ""))),
    ]
    return tree.rewrite(statements, apps), apps.gone


def taken_out(tree: Tree, gone: list[str]) -> Iterator[Remark]:
    """Yield a note for each app that was removed from a list in *tree*."""
    lists = (
        line
        for line in tree.module.body
        if isinstance(line, cst.SimpleStatementLine) and _is_apps(assigned(line.body[0])[0])
    )
    place = next(lists, tree.module)
    for name in gone:
        what, cure = f'"{name}" in {APPS}', f"removed: {GONE[name]}"
        yield Remark(place, what, cure, is_note=True)


def _is_apps(name: object) -> bool:
    return isinstance(name, str) and name.upper().endswith("APPS")


def _texts(apps: Written) -> list[str]:
    return [text_of(element.value) for element in apps.elements]


def _add_daphne(apps: Written) -> None:
    """Put Daphne after the engine, and both before static files, as system checks require."""
    texts = _texts(apps)
    ours = next((index for index, text in enumerate(texts) if text in _OURS), None)
    if ours is None or any(text.partition(".")[0] == NEW for text in texts):
        return
    value = apps.elements[ours].value
    if STATIC in texts[:ours] and not apps.has_comments(ours):
        apps.take(ours)
        ours = texts.index(STATIC)
        apps.put(ours, value)
    quote = value.quote if isinstance(value, cst.SimpleString) else '"'
    apps.put(ours + 1, cst.SimpleString(f"{quote}{DAPHNE}{quote}"))
