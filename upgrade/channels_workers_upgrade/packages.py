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

#: Packages whose name alone may mean those of 2017: from which major version on they fit.
_FIRST = {"channels": 4, "daphne": 4, "asgiref": 3}

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
_EGG = re.compile(r"[#&]egg=(?P<name>[A-Za-z][\w.-]*)")
_LOWER = re.compile(r"(?:===?|~=?|>=?|\^|[\"'])\s*(\d+)")
_BOUND = re.compile(r"(?P<sign>===?|~=?|<=?|\^|[\"'])\s*(?P<version>\d+(?:\.\d+)*)")


#: Keys and sections of setup.py, setup.cfg, pyproject.toml, tox.ini and Pipfile with packages.
_KEY = re.compile(r"\s*[\"']?(?P<key>[\w.-]+)[\"']?\s*=(?!=)")
_SECTION = re.compile(r"\s*\[(?P<key>[\w.:\s\"'-]+)\]\s*$")
_OF_PACKAGES = re.compile(r"requir|depend|extras|(^|[_.-])deps$", re.IGNORECASE)
_SECTIONS = re.compile(r"requir|depend|extras|packages$", re.IGNORECASE)

#: What installs the packages behind it, up to the end of the command.
_INSTALL = re.compile(r"\b(?:pip[\d.]*|pipenv|poetry|uv|conda)\s+(?:[\w-]+\s+)*?(?:install|add)\b")
_END_OF_COMMAND = re.compile(r"&&|\|\||;|\|")


def find_packages(text: str) -> Iterator[Finding]:
    """Yield a finding for each line of a list of packages that requires an old one."""
    for number, line in enumerate(text.splitlines(), start=1):
        yield from _in_line(number, line.strip(), is_of_packages=True)


def find_declared(text: str) -> Iterator[Finding]:
    """Yield a finding for each line of a project's own file that requires an old package.

    A name without a version counts where packages are declared alone.
    """
    section = key = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _SECTION.match(line):
            section, key = found["key"], ""
        elif found := _KEY.match(line):
            key = found["key"]
        is_of_packages = bool(_SECTIONS.search(section) or _OF_PACKAGES.search(key))
        yield from _in_line(number, line.strip(), is_of_packages)


def find_installed(text: str) -> Iterator[Finding]:
    """Yield a finding for each line of a script or image that installs an old package."""
    is_install = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        cures = {word: _cure(*asked) for word, asked in _arguments(line)}
        installed = _installed(line, is_install)
        for word, asked in _arguments(installed):
            cures[word] = cures.get(word) or _cure_of_name(*asked)
        yield from (Finding(number, f"`{word}`", cure) for word, cure in cures.items() if cure)
        is_install = bool(installed) and line.endswith("\\")
        image = _IMAGE.search(line)
        if image and tuple(map(int, image[1].split("."))) < _REDIS[: image[1].count(".") + 1]:
            cure = f"channels-workers needs Redis {'.'.join(map(str, _REDIS))} or later"
            yield Finding(number, f"`redis:{image[1]}`", cure)


def _installed(line: str, is_install: bool) -> str:
    """Return the part of a line that lists packages to install."""
    found = _INSTALL.search(line)
    if not found and not is_install:
        return ""
    return _END_OF_COMMAND.split(line[found.end() :] if found else line)[0]


def _arguments(line: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each word that may name a package, with the package and the text after its name."""
    words = (word.strip("\"'[],") for word in line.replace("\\", " ").split())
    for word in filter(None, map(_ARGUMENT.fullmatch, words)):
        yield word[0], (_normal(word["name"]), word["rest"] or "")


def _in_line(number: int, line: str, is_of_packages: bool) -> Iterator[Finding]:
    asked = list(_asked(line))
    cures = [_cure(*one) for one in asked]
    if is_of_packages:
        cures += [_cure_of_name(*one) for one in asked]
    if cure := next(filter(None, cures), ""):
        yield Finding(number, f"`{line}`", cure)


def _asked(line: str) -> Iterator[tuple[str, str]]:
    """Yield the packages that a line may require, each with the text after its name."""
    for found in (_BARE.match(line), *_QUOTED.finditer(line)):
        if found:
            yield _normal(found["name"]), found["rest"]
    if egg := _EGG.search(line):
        yield _normal(egg["name"]), ""


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def _cure_of_name(name: str, rest: str) -> str:
    """Return the cure for a package without a lower bound of its current major version."""
    first = _FIRST.get(name)
    if first is None or any(int(found[1]) >= first for found in _LOWER.finditer(rest)):
        return ""
    return _replacement(name) if name == "channels" else f"{_replacement(name)}, or remove it"


def _cure(name: str, rest: str) -> str:
    if name in REPLACED:
        return f"remove it: {REPLACED[name]}"
    if name not in LEAST:
        return ""
    least = LEAST[name]
    bounds = _BOUND.finditer(rest)
    if not any(_excludes(bound["sign"], bound["version"], least) for bound in bounds):
        return ""
    wanted = _wanted(name)
    if name == "channels":
        return _replacement(name)
    remedy = "" if name == "django" else ", and installs it: remove the bound"
    return f"channels-workers needs {wanted}{remedy}"


def _wanted(name: str) -> str:
    return f"{name}>={'.'.join(map(str, LEAST[name]))}"


def _replacement(name: str) -> str:
    """Return what to write in place of a package."""
    if name == "channels":
        return f"replace it with `{FORM}`, which installs {_wanted(name)}"
    return f"write `{_wanted(name)}`, which channels-workers installs"


def _excludes(sign: str, version: str, least: tuple[int, ...]) -> bool:
    """Return whether a bound excludes *least*, compared to the bound's precision."""
    bound = tuple(map(int, version.split(".")))
    if sign == "<":
        return bound <= least
    return bound < least[: len(bound)]
