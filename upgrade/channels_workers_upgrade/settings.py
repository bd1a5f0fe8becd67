"""Checks the settings of a project, which may be spread over several files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import libcst as cst

from channels_workers_upgrade.apps import DAPHNE, STATIC
from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.renames import NEW
from channels_workers_upgrade.routing import APPLICATION, SETTING, assigned
from channels_workers_upgrade.strings import text_of
from channels_workers_upgrade.tree import Tree

_ORDER = f'in INSTALLED_APPS the order must be "{NEW}", "{DAPHNE}", "{STATIC}"'
_ASSIGNMENTS: tuple[type[cst.Assign | cst.AnnAssign], ...] = (cst.Assign, cst.AnnAssign)
_MADE = "the path of the application in asgi.py"


class Place(NamedTuple):
    """A line of a file, counted from 1."""

    file: Path
    line: int


@dataclass
class Settings:
    """What was found so far: the lines that configure layers and list the app."""

    layers: list[Place] = field(default_factory=list)
    app: list[Place] = field(default_factory=list)
    has_application: bool = False
    wsgi_application: str = ""
    has_daphne: bool = False
    wrong_order: list[Place] = field(default_factory=list)

    def read(self, tree: Tree, file: Path) -> None:
        """Read the settings in *tree*, the syntax tree of *file*."""
        nodes = [node for kind in _ASSIGNMENTS for node in tree.all(kind)]
        values = dict(map(assigned, nodes))
        self.has_application |= APPLICATION in values
        self.wsgi_application = text_of(values.get("WSGI_APPLICATION")) or self.wsgi_application
        self.has_daphne |= any(text_of(node) == DAPHNE for node in tree.all(cst.SimpleString))
        layers = [node for node in nodes if _has_layers(*assigned(node))]
        apps: list[cst.List | cst.Tuple] = [*tree.all(cst.List), *tree.all(cst.Tuple)]
        app = {node: _app_in(node) for node in apps if NEW in _texts(node)}
        lines = tree.lines([*layers, *app.values()])
        self.layers += [Place(file, lines[node]) for node in layers]
        self.app += [Place(file, lines[node]) for node in app.values()]
        self.wrong_order += [
            Place(file, lines[element]) for node, element in app.items() if _is_wrong(node)
        ]

    def findings(self) -> Iterable[tuple[Path, Finding]]:
        """Yield a finding for each missing setting, with the file to put it into."""
        if self.layers and not self.has_application:
            file, line = self.layers[0]
            path = self.wsgi_application.replace("wsgi", "asgi") or "project.asgi.application"
            cure = f'{APPLICATION} = "{path}", {_MADE}'
            yield file, Finding(line, f"no {APPLICATION}", cure)
        if self.app and not self.has_daphne:
            file, line = self.app[0]
            yield file, Finding(line, f'no app "{DAPHNE}"', _ORDER)
        for file, line in self.wrong_order:
            yield file, Finding(line, "the order of apps", _ORDER)


def _has_layers(name: str, value: cst.BaseExpression | None) -> bool:
    return name == SETTING and isinstance(value, cst.Dict) and bool(value.elements)


def _texts(apps: cst.List | cst.Tuple) -> list[str]:
    return [text_of(element.value) for element in apps.elements]


def _app_in(apps: cst.List | cst.Tuple) -> cst.BaseElement:
    """Return the element that is the engine's app."""
    return apps.elements[_texts(apps).index(NEW)]


def _is_wrong(apps: cst.List | cst.Tuple) -> bool:
    """Whether the apps are not in the order that the system checks require."""
    texts = _texts(apps)
    order = [app for app in texts if app in {NEW, DAPHNE, STATIC}]
    return order != [app for app in (NEW, DAPHNE, STATIC) if app in order]
