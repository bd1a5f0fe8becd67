"""The difference between a file before and after."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path

_NO_NEWLINE = b"\\ No newline at end of file\n"


class Patch:
    """The difference between the *old* content of a file and its *new* one.

    It works on bytes, so that any encoding of the file is kept.
    """

    def __init__(self, path: Path, old: bytes, new: bytes) -> None:
        self.path = path
        self.old = _lines(old)
        self.new = _lines(new)

    def __bytes__(self) -> bytes:
        """Return the patch in the format of `git apply` and `patch -p1`."""
        name = os.fsencode(Path(os.path.relpath(self.path)).as_posix())
        names = (b"a/" + name, b"b/" + name)
        lines = difflib.diff_bytes(difflib.unified_diff, self.old, self.new, *names)
        return b"".join(
            line if line.endswith(b"\n") else line + b"\n" + _NO_NEWLINE for line in lines
        )

    def old_line(self, number: int) -> int:
        """Return the number of the old line for line *number* of the new text."""
        for _, old_start, old_end, new_start, new_end in self._opcodes:
            if new_start < number <= new_end:
                return max(min(old_start + number - new_start, old_end), 1)
        return number

    @cached_property
    def _opcodes(self) -> Sequence[tuple[str, int, int, int, int]]:
        """The steps from old to new: what happens to which lines, as ``difflib`` gives them."""
        matcher = difflib.SequenceMatcher(None, self.old, self.new, autojunk=False)
        return matcher.get_opcodes()


def _lines(content: bytes) -> list[bytes]:
    """Return the lines with their ends, split at line feeds alone, as git does."""
    return list(BytesIO(content))
