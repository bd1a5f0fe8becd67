"""Checks the settings of a project, which may be spread over several files."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from channels_workers_upgrade.application import APPLICATION
from channels_workers_upgrade.apps import DAPHNE, STATIC
from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.renames import NEW
from channels_workers_upgrade.routing import SETTING, assigned, assignments
from channels_workers_upgrade.strings import text_of
from channels_workers_upgrade.tree import Tree

_ORDER = (
    f'in INSTALLED_APPS "{NEW}" must come before "{STATIC}"; "{DAPHNE}" is not needed, '
    "and goes between them if you keep it"
)
_LISTS: tuple[type[ast.List | ast.Tuple], ...] = (ast.List, ast.Tuple)
_MADE = "the path of the application in asgi.py"


class Place(NamedTuple):
    """A line of a file, counted from 1."""

    file: Path
    line: int


class Settings:
    """What was found so far: the lines that configure layers, and apps in a wrong order."""

    def __init__(self) -> None:
        self.layers: list[Place] = []
        self.has_application = False
        self.wsgi_application = ""
        self.wrong_order: list[Place] = []

    def read(self, tree: Tree, file: Path) -> None:
        """Read the settings in *tree*, the syntax tree of *file*."""
        nodes = assignments(tree)
        values = dict(map(assigned, nodes))
        self.has_application |= APPLICATION in values
        self.wsgi_application = text_of(values.get("WSGI_APPLICATION")) or self.wsgi_application
        self.layers += [Place(file, node.lineno) for node in nodes if _has_layers(*assigned(node))]
        for apps in tree.all(*_LISTS):
            texts = [text_of(element) for element in apps.elts]
            if NEW in texts and _is_wrong(texts):
                self.wrong_order.append(Place(file, apps.elts[texts.index(NEW)].lineno))

    def findings(self) -> Iterable[tuple[Path, Finding]]:
        """Yield a finding for each missing setting, with the file to put it into."""
        if self.layers and not self.has_application:
            file, line = self.layers[0]
            path = self.wsgi_application.replace("wsgi", "asgi") or "project.asgi.application"
            cure = f'{APPLICATION} = "{path}", {_MADE}'
            yield file, Finding(line, f"no {APPLICATION}", cure)
        for file, line in self.wrong_order:
            yield file, Finding(line, "the order of apps", _ORDER)


def _has_layers(name: str, value: ast.expr | None) -> bool:
    return name == SETTING and isinstance(value, ast.Dict) and bool(value.keys)


def _is_wrong(texts: list[str]) -> bool:
    """Whether apps are not in the order that the system checks require."""
    order = [app for app in texts if app in {NEW, DAPHNE, STATIC}]
    return order != [app for app in (NEW, DAPHNE, STATIC) if app in order]
