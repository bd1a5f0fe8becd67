"""Reads requirements: the `.in` files, and the files that scripts/lock generates."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labs.harness.project import ROOT

WRITTEN = (ROOT / "requirements.in", ROOT / "tests" / "requirements.in")
PIN = re.compile(r"(?P<name>[A-Za-z0-9-]+)(\[[a-z,]+\])?==(?P<version>[0-9][0-9a-z.!]*)")

_ENTRY = re.compile(
    r"^(?P<requirement>[A-Za-z0-9][^\\\n]*?)(?P<hashes>( \\\n +--hash=\S+)*)$", re.M
)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


class Locked:
    """A pinned requirement, with the hashes of its files."""

    def __init__(self, requirement: str, hashes: str) -> None:
        self.requirement = Requirement(requirement)
        self.name = canonicalize_name(self.requirement.name)
        self.version = str(self.requirement.specifier).removeprefix("==")
        self.hashes = _HASH.findall(hashes)

    @property
    def is_for_this_machine(self) -> bool:
        """Whether its marker matches this machine."""
        return self.is_for({})

    def is_for(self, machine: dict[str, str]) -> bool:
        """Whether its marker matches this machine, with the values in *machine* overridden."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(machine)


def requirements(file: Path) -> list[tuple[str, str]]:
    """Each requirement of an `.in` file, with the line above it."""
    lines = file.read_text().splitlines()
    pairs = zip(["", *lines], lines, strict=False)
    return [(line, above) for above, line in pairs if line and line[0] not in "#-"]


def locked(file: Path) -> list[Locked]:
    """The pinned requirements that scripts/lock generated from an `.in` file."""
    text = file.with_suffix(".txt").read_text()
    return [Locked(found["requirement"], found["hashes"]) for found in _ENTRY.finditer(text)]
