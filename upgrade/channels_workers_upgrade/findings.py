"""What the command reports about a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from channels_workers_upgrade.tree import Placed


class Finding(NamedTuple):
    """*what* was found at a line of a file, and its *cure*.

    *is_note*: for information, nothing has to be done.
    """

    line: int
    what: str
    cure: str
    is_note: bool = False

    def in_file(self, path: Path) -> str:
        """Return the line of the report, with the *path* of the file."""
        kind = " (note)" if self.is_note else ""
        return f"{path}:{self.line}: {self.what}{kind}: {self.cure}"


class Remark(NamedTuple):
    """A finding at a *node*; None is the beginning of the file."""

    node: Placed | None
    what: str
    cure: str
    is_note: bool = False


def placed(remarks: Iterable[Remark]) -> set[Finding]:
    """Return the findings of *remarks*, with the lines of their nodes."""
    return {
        Finding(node.lineno if node else 1, what, cure, is_note)
        for node, what, cure, is_note in remarks
    }


def is_done(findings: Iterable[Finding]) -> bool:
    """Return whether nothing is left to change by hand."""
    return all(finding.is_note for finding in findings)
