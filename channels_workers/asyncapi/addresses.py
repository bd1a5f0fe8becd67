"""The addresses of sockets, from the regular expressions of their routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.regex_helper import normalize

#: How a group with a name begins.
_GROUP = re.compile(r"\(\?P<([^>]+)>")

#: A choice between words.
_WORDS = re.compile(r"[\w-]+(?:\|[\w-]+)*")

_END = re.compile(r"(?<!\\)(?:\\\\)*(?:\$|\\Z)\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A path with its parameters. *path* is ``""`` if the patterns do not say it."""

    path: str
    #: The regular expression of each parameter.
    parameters: dict[str, str] = field(default_factory=dict)
    #: Whether the pattern matches to the end of the path.
    is_whole: bool = True


def address_of(patterns: Sequence[str]) -> Address:
    """Return the address of *patterns*: those of the includes, then that of the route."""
    path = "".join(map(_path, patterns))
    parameters = {name: text for each in patterns for name, text in named_groups(each)}
    if not path.startswith("/") or set(re.findall(r"{([^}]*)}", path)) - set(parameters):
        return Address("", parameters)
    return Address(path, parameters, bool(_END.search(patterns[-1])))


def _path(pattern: str) -> str:
    """Return the path of one pattern, with all of its parameters; "" if it has no single one."""
    try:
        paths = normalize(_without_groups(pattern))
    except (ValueError, NotImplementedError):  # what no URL can be made of
        return ""
    # One for each way through optional parts. A group without a name is called _0, _1 and so on.
    named = [each for each in paths if not any(name.startswith("_") for name in each[1])]
    form, _ = max(named or paths, key=lambda each: len(each[1]))
    return re.sub(r"%\((\w+)\)s", r"{\1}", form)


def _without_groups(pattern: str) -> str:
    """Return *pattern* with a letter in each named group: Django reads less than Python does."""
    text, place = "", 0
    for found in _GROUP.finditer(pattern):
        if found.start() >= place:
            text += f"{pattern[place : found.end()]}a"
            place = _end_of_group(pattern, found.end())
    return text + pattern[place:]


def named_groups(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the names of the groups in *pattern*, each with its regular expression."""
    for found in _GROUP.finditer(pattern):
        yield found[1], pattern[found.end() : _end_of_group(pattern, found.end())]


def _end_of_group(pattern: str, start: int) -> int:
    """Return the index of the bracket that closes the group whose text begins at *start*."""
    depth, place, is_class = 1, start, False
    while place < len(pattern):
        character = pattern[place]
        if character == "\\":
            place += 1
        elif is_class:
            is_class = character != "]"
        elif character == "[":
            is_class = True
            # A bracket that comes first, also after ^, is one of the characters.
            place += pattern.startswith("^", place + 1)
            place += pattern.startswith("]", place + 1)
        elif character in "()":
            depth += 1 if character == "(" else -1
            if not depth:
                return place
        place += 1
    return place


def choices(pattern: str) -> list[str]:
    """Return the words that *pattern* is a choice of: ``daily|weekly``; else nothing."""
    return pattern.split("|") if _WORDS.fullmatch(pattern) and "|" in pattern else []
