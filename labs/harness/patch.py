"""A replacement of one passage in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Patch:
    """Replaces *old*, which must occur exactly once in *file*, by *new*."""

    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> None:
        """Change the file below *folder*. ValueError unless *old* occurs exactly once."""
        path = folder / self.file
        text = path.read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(
                f"{self.file} must have this exactly once, but has it {found} times; bring the "
                f"patch up to date:\n{self.old}"
            )
        path.write_text(text.replace(self.old, self.new))
