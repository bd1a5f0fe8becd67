"""Rewrites lists of apps: removes those that no longer exist and adds Daphne."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.lists import Written, written
from channels_workers_upgrade.renames import NEW
from channels_workers_upgrade.routing import assigned
from channels_workers_upgrade.strings import text_of

APPS = "INSTALLED_APPS"
STATIC = "django.contrib.staticfiles"
DAPHNE = "daphne"

_OURS = {"channels", "channels.apps.ChannelsConfig"}

#: Apps of 1.1.8 that the engine does not have, each with the alternative.
GONE = {
    "channels.delay": "use a task queue for delayed messages",
    "channels.delay.apps.DelayConfig": "use a task queue for delayed messages",
    "channels.binding": "it was not an app",
}


class Apps(cst.CSTTransformer):
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


def rewrite_apps(module: cst.Module) -> tuple[cst.Module, list[str]]:
    """Return *module* with its lists of apps rewritten, and the removed apps."""
    if "APPS" not in module.code.upper():
        return module, []
    apps = Apps(f'"{DAPHNE}"' in module.code.replace("'", '"'))
    return module.visit(apps), apps.gone


def taken_out(module: cst.Module, gone: list[str]) -> Iterator[Finding]:
    """Yield a note for each app that was removed from *module*."""
    if not gone:
        return
    wrapper = MetadataWrapper(module)
    positions = wrapper.resolve(PositionProvider)
    lines = [
        positions[line].start.line
        for line in wrapper.module.body
        if isinstance(line, cst.SimpleStatementLine) and _is_apps(assigned(line.body[0])[0])
    ]
    for name in gone:
        what, cure = f'"{name}" in {APPS}', f"removed: {GONE[name]}"
        yield Finding(min(lines, default=1), what, cure, is_note=True)


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
