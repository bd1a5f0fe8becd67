"""Checks the settings of a project, which may be spread over several files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from channels_workers_upgrade.apps import DAPHNE, STATIC
from channels_workers_upgrade.findings import Finding
from channels_workers_upgrade.renames import NEW
from channels_workers_upgrade.routing import APPLICATION, SETTING, assigned
from channels_workers_upgrade.strings import text_of

_ORDER = f'in INSTALLED_APPS the order must be "{NEW}", "{DAPHNE}", "{STATIC}"'
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

    def read(self, module: cst.Module, file: Path) -> None:
        """Read the settings in *module*."""
        MetadataWrapper(module).visit(_Reader(self, file))

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


class _Reader(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, settings: Settings, file: Path) -> None:
        super().__init__()
        self.settings = settings
        self.file = file

    def _place(self, node: cst.CSTNode) -> Place:
        return Place(self.file, self.get_metadata(PositionProvider, node).start.line)

    def visit_Assign(self, node: cst.Assign) -> None:
        self._read(node)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self._read(node)

    def _read(self, node: cst.CSTNode) -> None:
        name, value = assigned(node)
        if name == APPLICATION:
            self.settings.has_application = True
        if name == "WSGI_APPLICATION" and value:
            self.settings.wsgi_application = text_of(value)
        if name == SETTING and isinstance(value, cst.Dict) and value.elements:
            self.settings.layers.append(self._place(node))

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        if text_of(node) == DAPHNE:
            self.settings.has_daphne = True

    def visit_List(self, node: cst.List) -> None:
        self._read_apps(node)

    def visit_Tuple(self, node: cst.Tuple) -> None:
        self._read_apps(node)

    def _read_apps(self, node: cst.List | cst.Tuple) -> None:
        apps = [text_of(element.value) for element in node.elements]
        if NEW not in apps:
            return
        place = self._place(node.elements[apps.index(NEW)])
        self.settings.app.append(place)
        order = [app for app in apps if app in {NEW, DAPHNE, STATIC}]
        if order != [app for app in (NEW, DAPHNE, STATIC) if app in order]:
            self.settings.wrong_order.append(place)
