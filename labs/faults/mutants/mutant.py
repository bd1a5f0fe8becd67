"""Mutants: copies of the engine with a deliberate bug."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from labs.harness.patch import Patch
from labs.harness.project import ROOT

PACKAGE = "channels_workers"


@dataclass(frozen=True)
class Mutant:
    """What *patches* break: one of the faults *rows* must miss its target, or *tests* must fail.

    *tests* are arguments of pytest.
    """

    name: str
    description: str
    patches: tuple[Patch, ...]
    rows: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    def build(self, folder: Path) -> Path:
        """Copy the engine into the new *folder* and break it. Returns the folder."""
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=ignored)
        for patch in self.patches:
            patch.apply(folder / PACKAGE)
        return folder
