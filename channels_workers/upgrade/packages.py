"""Lines of lists of packages that keep the old ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from channels_workers.upgrade.findings import Finding

#: The least version that channels_workers needs of what 1.x needed too.
LEAST = {"channels": (4, 3), "daphne": (4, 2, 2), "asgiref": (3,), "django": (5, 2)}

#: What nothing needs any more, with what takes its place.
REPLACED = {
    "asgi-redis": "channels-workers brings its layer for Redis",
    "asgi-ipc": "channels-workers has a layer for one process, and one for Redis",
    "asgi-rabbitmq": "channels-workers has a layer for Redis",
    "msgpack-python": "msgpack, its new name, comes with channels-workers",
}

_BARE = re.compile(r"(?P<name>[A-Za-z][\w.-]*)(?P<rest>[^;#]*)")
_QUOTED = re.compile(r"[\"'](?P<name>[A-Za-z][\w.-]*)(?P<rest>[^;#\"']*)")
_BOUND = re.compile(r"(?P<sign>===?|~=?|<=?|\^|[\"'])\s*(?P<version>\d+(?:\.\d+)*)")


def find_packages(text: str) -> Iterator[Finding]:
    """Yield a finding for each line of *text* that asks for an old package."""
    for number, line in enumerate(text.splitlines(), start=1):
        cure = next(filter(None, (_cure(*asked) for asked in _asked(line.strip()))), "")
        if cure:
            yield Finding(number, f"`{line.strip()}`", cure)


def _asked(line: str) -> Iterator[tuple[str, str]]:
    """Yield the packages that a line may ask for, each with what follows its name."""
    for found in (_BARE.match(line), *_QUOTED.finditer(line)):
        if found:
            yield found["name"].lower().replace("_", "-"), found["rest"]


def _cure(name: str, rest: str) -> str:
    if name in REPLACED:
        return f"take it out: {REPLACED[name]}"
    if name not in LEAST:
        return ""
    least = LEAST[name]
    bounds = _BOUND.finditer(rest)
    if not any(_excludes(bound["sign"], bound["version"], least) for bound in bounds):
        return ""
    wanted = f"{name}>={'.'.join(map(str, least))}"
    return f"channels-workers needs {wanted}" + ("" if name == "django" else ", and brings it")


def _excludes(sign: str, version: str, least: tuple[int, ...]) -> bool:
    """Say whether a bound excludes the version *least*, as far as it is written."""
    bound = tuple(map(int, version.split(".")))
    if sign == "<":
        return bound <= least
    return bound < least[: len(bound)]
