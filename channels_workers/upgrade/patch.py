"""The difference between a file and what it becomes."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

_NO_NEWLINE = "\\ No newline at end of file\n"


class Patch:
    """The difference between the *old* text of a file and its *new* one."""

    def __init__(self, path: Path, old: str, new: str) -> None:
        self.path = path
        self.old = old.splitlines(keepends=True)
        self.new = new.splitlines(keepends=True)

    def __str__(self) -> str:
        """Return it in the form that `git apply` and `patch -p1` take."""
        name = Path(os.path.relpath(self.path)).as_posix()
        lines = difflib.unified_diff(self.old, self.new, f"a/{name}", f"b/{name}")
        return "".join(line if line[-1] == "\n" else f"{line}\n{_NO_NEWLINE}" for line in lines)

    def old_line(self, number: int) -> int:
        """Return the number of the old line that a line of the new text comes from."""
        if self.old == self.new:
            return number
        matcher = difflib.SequenceMatcher(None, self.old, self.new, autojunk=False)
        for _, old_start, old_end, new_start, new_end in matcher.get_opcodes():
            if new_start < number <= new_end:
                return max(min(old_start + number - new_start, old_end), 1)
        return number
