"""Finds old packages in requirements files, scripts and images."""

from __future__ import annotations

import re
from collections.abc import Iterator

from channels_workers_upgrade.findings import Finding

#: Of the packages that 1.x needed too, the lowest versions that fit the engine.
LEAST = {
    "channels": (4, 3),
    "daphne": (4, 2, 2),
    "channels-redis": (4, 3),
    "redis": (7,),
    "hiredis": (3, 2),
    "msgpack": (1, 1),
    "django": (5, 2),
    "asgiref": (3, 9, 1),
    "twisted": (24, 11),
    "autobahn": (24, 4, 2),
}

#: Packages that are no longer needed, each with its replacement.
REPLACED = {
    "asgi-redis": "channels-workers includes a layer for Redis",
    "asgi-ipc": "channels-workers includes layers for one process and for Redis",
    "asgi-rabbitmq": "channels-workers includes a layer for Redis",
    "asgi-amqp": "channels-workers includes a layer for Redis",
    "msgpack-python": "channels-workers installs msgpack, its new name",
}

#: The line that requires channels-workers, which no index has yet.
FORM = "channels-workers @ file:///path/to/checkout"

#: The lowest version of Redis, and how images name one.
_REDIS = (6, 2)
_IMAGE = re.compile(r"\b(?:image:|FROM)\s*[\"']?(?:[\w./-]+/)?redis:v?(\d+(?:\.\d+)?)")

#: A package among the arguments of `pip install`.
_ARGUMENT = re.compile(
    r"[\"']?(?P<name>[A-Za-z][\w.-]*)(?P<rest>(?:\[[^\]]*\])?[=<>~!][^\"']*)?[\"']?"
)

_BARE = re.compile(r"(?P<name>[A-Za-z][\w.-]*)(?P<rest>[^;#]*)")
_QUOTED = re.compile(r"[\"'](?P<name>[A-Za-z][\w.-]*)(?P<rest>[^;#\"']*)")
_BOUND = re.compile(r"(?P<sign>===?|~=?|<=?|\^|[\"'])\s*(?P<version>\d+(?:\.\d+)*)")


def find_packages(text: str) -> Iterator[Finding]:
    """Yield a finding for each line of *text* that requires an old package."""
    for number, line in enumerate(text.splitlines(), start=1):
        cure = next(filter(None, (_cure(*asked) for asked in _asked(line.strip()))), "")
        if cure:
            yield Finding(number, f"`{line.strip()}`", cure)


def find_installed(text: str) -> Iterator[Finding]:
    """Yield a finding for each line of a script or image that installs an old package."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        words = (word.strip("\"'") for word in line.replace("\\", " ").split())
        for word in filter(None, map(_ARGUMENT.fullmatch, words)):
            if cure := _cure(word["name"].lower().replace("_", "-"), word["rest"] or ""):
                yield Finding(number, f"`{word[0]}`", cure)
        image = _IMAGE.search(line)
        if image and tuple(map(int, image[1].split("."))) < _REDIS[: image[1].count(".") + 1]:
            cure = f"channels-workers needs Redis {'.'.join(map(str, _REDIS))} or later"
            yield Finding(number, f"`redis:{image[1]}`", cure)


def _asked(line: str) -> Iterator[tuple[str, str]]:
    """Yield the packages that a line may require, each with the text after its name."""
    for found in (_BARE.match(line), *_QUOTED.finditer(line)):
        if found:
            yield found["name"].lower().replace("_", "-"), found["rest"]


def _cure(name: str, rest: str) -> str:
    if name in REPLACED:
        return f"remove it: {REPLACED[name]}"
    if name not in LEAST:
        return ""
    least = LEAST[name]
    bounds = _BOUND.finditer(rest)
    if not any(_excludes(bound["sign"], bound["version"], least) for bound in bounds):
        return ""
    wanted = f"{name}>={'.'.join(map(str, least))}"
    if name == "channels":
        return f"replace it with `{FORM}`, which installs {wanted}"
    remedy = "" if name == "django" else ", and installs it: remove the bound"
    return f"channels-workers needs {wanted}{remedy}"


def _excludes(sign: str, version: str, least: tuple[int, ...]) -> bool:
    """Return whether a bound excludes *least*, compared to the bound's precision."""
    bound = tuple(map(int, version.split(".")))
    if sign == "<":
        return bound <= least
    return bound < least[: len(bound)]
