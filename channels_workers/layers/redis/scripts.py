"""The Lua scripts, one file each in ``lua/``; each is one atomic step."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"^[ ]*--.*\n", re.MULTILINE)
_DEFINITION = re.compile(r"^(?=local )", re.MULTILINE)
_NAMES = re.compile(r"local (?:function )?(\w+(?:, \w+)*)")


class Script(NamedTuple):
    """The source of a script and its name in Redis's script cache."""

    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """Return ``lua/<name>.lua`` after what it uses of the files that its header includes."""
    text = _read(f"{name}.lua")
    found = _INCLUDE.search(text)
    parts = [_read(part) for part in found[1].split()] if found else []
    source = "".join(_used("\n".join(parts), text)) + text
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _used(parts: str, text: str) -> list[str]:
    """Return those definitions in *parts* that *text* uses, or another one that is used.

    Redis runs a script from its first line at each call, so each definition costs time. A name is
    defined before it is used. Each definition begins with ``local`` at the start of a line.
    """
    used: list[str] = []
    words = set(re.findall(r"\w+", text))
    for definition in reversed(_DEFINITION.split(_COMMENT.sub("", parts))):
        if words.intersection(_names(definition)):
            used.insert(0, definition)
            words.update(re.findall(r"\w+", definition))
    return used


def _names(definition: str) -> list[str]:
    found = _NAMES.match(definition)
    return found[1].split(", ") if found else []


def _read(file: str) -> str:
    return resources.files(__package__).joinpath("lua", file).read_text("utf-8")
