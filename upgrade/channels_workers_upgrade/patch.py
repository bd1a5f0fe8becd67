"""The difference between a file before and after."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

Lines = Sequence[bytes]

#: The lines around a change in a patch, and how many lines a change may have.
_AROUND, _FAR = 3, 200

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
        names = (b"a/" + name if self.old else b"/dev/null", b"b/" + name)
        header = [b"--- %s\n" % names[0], b"+++ %s\n" % names[1]]
        lines = [*header, *(line for steps in _hunks(self._steps) for line in self._hunk(steps))]
        return b"".join(
            line if line.endswith(b"\n") else line + b"\n" + _NO_NEWLINE for line in lines
        )

    def _hunk(self, steps: Sequence[Step]) -> Iterator[bytes]:
        """Yield the lines of a hunk in the unified format."""
        first, last = steps[0], steps[-1]
        ranges = (_range(first.old, last.old_end), _range(first.new, last.new_end))
        yield b"@@ -%s +%s @@\n" % ranges
        for step in steps:
            old, new = self.old[step.old : step.old_end], self.new[step.new : step.new_end]
            if step.is_same:
                yield from (b" " + line for line in old)
            else:
                yield from (b"-" + line for line in old)
                yield from (b"+" + line for line in new)

    def old_line(self, number: int) -> int:
        """Return the number of the old line for line *number* of the new text."""
        for step in self._steps:
            if step.new < number <= step.new_end:
                return max(min(step.old + number - step.new, step.old_end), 1)
        return number

    @cached_property
    def _steps(self) -> list[Step]:
        """The steps from old to new."""
        return list(_steps(self.old, self.new))


class Step(NamedTuple):
    """Lines that are the same, or differ: two slices of the old and the new lines."""

    is_same: bool
    old: int
    old_end: int
    new: int
    new_end: int


def _steps(old: Lines, new: Lines) -> Iterator[Step]:
    """Yield the steps from *old* to *new*, which differ in a few lines here and there."""
    at_old = at_new = 0
    while at_old < len(old) or at_new < len(new):
        same = _same(old, new, at_old, at_new)
        if same:
            yield Step(True, at_old, at_old + same, at_new, at_new + same)
            at_old, at_new = at_old + same, at_new + same
        if at_old < len(old) or at_new < len(new):
            end_old, end_new = _meeting(old, new, at_old, at_new)
            yield Step(False, at_old, end_old, at_new, end_new)
            at_old, at_new = end_old, end_new


def _same(old: Lines, new: Lines, at_old: int, at_new: int) -> int:
    """Return how many lines are the same."""
    length = min(len(old) - at_old, len(new) - at_new)
    others = (index for index in range(length) if old[at_old + index] != new[at_new + index])
    return next(others, length)


def _meeting(old: Lines, new: Lines, at_old: int, at_new: int) -> tuple[int, int]:
    """Return the nearest place below at which a few lines are the same again, or the ends."""
    for distance in range(1, _FAR):
        for less in range(distance + 1):
            end_old, end_new = at_old + less, at_new + distance - less
            if _is_same(old[end_old : end_old + 2], new[end_new : end_new + 2]):
                return min(end_old, len(old)), min(end_new, len(new))
    return len(old), len(new)


def _is_same(old: Lines, new: Lines) -> bool:
    """Whether both texts go on with the same line, or with two if the first is a blank one."""
    return old == new or bool(old and new and old[0] == new[0] and old[0].strip())


def _hunks(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield the steps that differ, with lines around them; those that are near come together."""
    hunk: list[Step] = []
    for step in steps:
        if not step.is_same:
            hunk.append(step)
            continue
        _, old, old_end, new, new_end = step
        if hunk and old_end - old <= 2 * _AROUND and step is not steps[-1]:
            hunk.append(step)
            continue
        if hunk:
            after = min(_AROUND, old_end - old)
            yield [*hunk, Step(True, old, old + after, new, new + after)]
        before = min(_AROUND, old_end - old)
        hunk = [Step(True, old_end - before, old_end, new_end - before, new_end)]
    if any(not step.is_same for step in hunk):
        yield hunk


def _range(start: int, end: int) -> bytes:
    """Return the lines of a hunk as its header writes them."""
    length = end - start
    first = start + 1 if length else start
    return b"%d" % first if length == 1 else b"%d,%d" % (first, length)


def _lines(content: bytes) -> list[bytes]:
    """Return the lines with their ends, split at line feeds alone, as git does."""
    return list(BytesIO(content))
