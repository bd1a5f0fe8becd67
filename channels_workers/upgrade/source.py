"""Moves one file of Python."""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

import libcst as cst

from channels_workers.upgrade.findings import Finding
from channels_workers.upgrade.imports import rewrite_imports
from channels_workers.upgrade.remains import find_remains

#: What stands in each file that has to do with Channels; the others are not parsed.
_MARKS = re.compile(rb"channel|asgi|__retries__|INSTALLED_APPS|http\.request", re.IGNORECASE)


class Moved(NamedTuple):
    """A file after the move, and what is to be said of it, with the lines of the new text."""

    content: bytes
    findings: list[Finding]


def move_source(content: bytes, name: str) -> Moved:
    """Return the *content* of the file *name* moved as far as that can be done."""
    if not _MARKS.search(content):
        return Moved(content, [])
    try:
        module = cst.parse_module(content)
    except (cst.ParserSyntaxError, UnicodeDecodeError, LookupError) as error:
        return Moved(content, [_unparsed(error)])
    module = rewrite_imports(module)
    return Moved(module.bytes, find_remains(module))


def _unparsed(error: Exception) -> Finding:
    line, message = 1, str(error)
    if isinstance(error, cst.ParserSyntaxError):
        line, message = error.raw_line, error.message
    return Finding(line, "cannot be parsed", f"{message} Make it Python 3 (2to3 does), run again.")


def old_line(line: int, old: list[str], new: list[str]) -> int:
    """Return the line of *old* that the *line* of *new* comes from."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for _, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if new_start < line <= new_end:
            return min(old_start + line - new_start, max(old_end, 1))
    return line
