"""The Lua scripts: one file each in ``lua/``, and one atomic step each.

There are two forms of each: for one shard, and for several. Lines that end with the comment
``-- shards`` are in the second form only, and so is what only they use. Redis runs all definitions
of a script at each call, so one shard pays for none of that.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"^[ ]*--.*\n", re.MULTILINE)
_ONLY_SHARDED = re.compile(r"^.*  -- shards\n", re.MULTILINE)
_TAG = re.compile(r"  -- shards$", re.MULTILINE)
_DEFINITION = re.compile(r"^(?=local )", re.MULTILINE)
_NAME = re.compile(r"local (?:function )?(\w+)")


class Script(NamedTuple):
    """The source of a script and its name in Redis's script cache."""

    source: str
    sha: str


@cache
def script(name: str, is_sharded: bool = False) -> Script:
    """Return ``lua/<name>.lua`` after the definitions that it uses of the included files.

    *is_sharded* says whether it is for one of several shards.
    """
    text = _read(f"{name}.lua")
    included = _INCLUDE.search(text)
    parts = "".join(_read(f"lib/{part}") for part in included[1].split()) if included else ""
    source = _add_definitions(code_of(parts, is_sharded), code_of(text, is_sharded))
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _add_definitions(parts: str, text: str) -> str:
    """Return *text* after those definitions in *parts* that it uses, directly or not.

    Redis runs a script from its first line on at each call, so each definition costs time. A
    definition begins with ``local`` at the start of a line, and uses only those before it.
    """
    for definition in reversed(_DEFINITION.split(parts)):
        name = _NAME.match(definition)
        if name and re.search(rf"\b{name[1]}\b", text):
            text = definition + text
    return text


def code_of(text: str, is_sharded: bool) -> str:
    """Return *text* without comments, and without the lines for the other case."""
    text = _TAG.sub("", text) if is_sharded else _ONLY_SHARDED.sub("", text)
    return _COMMENT.sub("", text)


def _read(file: str) -> str:
    return resources.files(__package__).joinpath("lua", *file.split("/")).read_text("utf-8")
