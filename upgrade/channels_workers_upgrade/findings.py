"""What the command has to say about a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Finding:
    """Something at a line of a file: *what* was found, and the *cure*.

    *is_note*: it is good to know, and nothing is left to do.
    """

    line: int
    what: str
    cure: str
    is_note: bool = False

    def in_file(self, path: Path) -> str:
        """Return it as a line of the report."""
        kind = " (note)" if self.is_note else ""
        return f"{path}:{self.line}: {self.what}{kind}: {self.cure}"


def is_done(findings: Iterable[Finding]) -> bool:
    """Say whether nothing is left to do by hand."""
    return all(finding.is_note for finding in findings)
