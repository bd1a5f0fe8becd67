"""A copy of the engine with a change that breaks it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from labs.harness.project import ROOT

PACKAGE = "channels_workers"


@dataclass(frozen=True)
class Patch:
    """Replaces *old*, which stands in *file* of the package exactly once, by *new*."""

    file: str
    old: str
    new: str

    def apply(self, package: Path) -> None:
        """Change the file; ValueError unless *old* is there exactly once."""
        path = package / self.file
        text = path.read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(
                f"{self.file} must have this exactly once, but has it {found} times; bring the "
                f"patch up to date:\n{self.old}"
            )
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Mutant:
    """What *patches* break; *rows* are the faults of which one must miss its target for it."""

    name: str
    description: str
    patches: tuple[Patch, ...]
    rows: tuple[str, ...] = ()

    def build(self, folder: Path) -> Path:
        """Copy the engine into the new *folder* and break it; return the folder."""
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=ignored)
        for patch in self.patches:
            patch.apply(folder / PACKAGE)
        return folder
