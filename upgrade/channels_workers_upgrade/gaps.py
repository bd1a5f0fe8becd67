"""The spaces and comments between the parts of a statement."""

from __future__ import annotations

import re

_FIRST_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")


def is_over_lines(gap: str) -> bool:
    """Return whether a line ends in a *gap*."""
    return bool(_FIRST_LINE.match(gap))


def first_line(gap: str) -> str:
    """Return the end of the line on which a *gap* begins: all of it, if no line ends in it."""
    found = _FIRST_LINE.match(gap)
    return found[0] if found else gap


def other_lines(gap: str) -> str:
    """Return a *gap* without its first line."""
    return gap[len(first_line(gap)) :]


def last_indent(gap: str) -> str:
    """Return the spaces before what follows a *gap*."""
    return re.split(r"[\r\n]", gap)[-1]


def comment_beside(gap: str) -> str:
    """Return the comment on the line on which a *gap* begins, "" without one."""
    _, sign, comment = first_line(gap).partition("#")
    return sign + comment.rstrip()


def comments_above(gap: str) -> list[str]:
    """Return the comments on the other lines, which are about what follows a *gap*."""
    lines = (line.strip() for line in re.split(r"\r\n?|\n", other_lines(gap)))
    return [line for line in lines if line.startswith("#")]
