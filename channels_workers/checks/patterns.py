"""What the regular expressions of filters can match, by their parts as Python reads them.

Python has no public parser of regular expressions. Without the parts that this module knows, the
answers are "unclear", and the checks that ask find nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_parser: Any = getattr(re, "_parser", None)
_compiler: Any = getattr(re, "_compiler", None)

HAS_PARTS = all(
    hasattr(module, name)
    for module, name in ((_parser, "parse"), (_parser, "SubPattern"), (_compiler, "compile"))
)

#: The parts that match one character, and those that match a place before the first one.
CHARACTERS = frozenset(("LITERAL", "NOT_LITERAL", "ANY", "IN"))
STARTS = frozenset(("AT_BEGINNING", "AT_BEGINNING_STRING"))
REPEATS = frozenset(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"))


def cannot_begin_with(character: str, pattern: re.Pattern[str]) -> bool:
    """Say whether *pattern* matches no text with *character* in front; False if that is unclear."""
    if not HAS_PARTS:
        return False
    return _begins(character, _parser.parse(pattern.pattern, pattern.flags)) is False


def _begins(character: str, parts: Any) -> bool | None:
    """Say whether what *parts* match may begin with *character*; None if it may be empty."""
    for part in parts:
        answer = _part_begins(character, part, parts.state)
        if answer is not None:
            return answer
    return None


def _part_begins(character: str, part: Any, state: Any) -> bool | None:
    kind, value = part[0].name, part[1]
    if kind in CHARACTERS:
        one = _compiler.compile(_parser.SubPattern(state, [part]))
        return one.match(character) is not None
    if kind == "AT":
        return None
    if kind == "SUBPATTERN":
        return _begins(character, value[-1])
    if kind == "BRANCH":
        return _any(_begins(character, each) for each in value[1])
    if kind in REPEATS:
        least, _, repeated = value
        answer = _begins(character, repeated)
        return answer if least or answer else None
    return True


def _any(answers: Iterable[bool | None]) -> bool | None:
    found = set(answers)
    if True in found:
        return True
    return None if None in found else False


def literal_start(pattern: re.Pattern[str]) -> tuple[str, bool]:
    """Return the text that each match of *pattern* begins with, and whether it is all of it."""
    text = ""
    if pattern.flags != re.UNICODE or not HAS_PARTS:
        return text, False
    for kind, value in _parser.parse(pattern.pattern, pattern.flags):
        if kind.name == "LITERAL":
            text += chr(value)
        elif text or kind.name != "AT" or value.name not in STARTS:
            return text, False
    return text, True
