"""The Lua scripts, one file each in ``lua/``; each is one atomic step."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)


class Script(NamedTuple):
    """The source of a script and its name in Redis's script cache."""

    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """Return ``lua/<name>.lua`` with the files that its header includes before it."""
    text = _read(f"{name}.lua")
    found = _INCLUDE.search(text)
    parts = [_read(part) for part in found[1].split()] if found else []
    source = "\n".join([*parts, text])
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(file: str) -> str:
    return resources.files(__package__).joinpath("lua", file).read_text("utf-8")
