"""Reads the files of requirements: those that people write, and those that scripts/lock makes."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labs.harness.project import ROOT

WRITTEN = (ROOT / "requirements.in", ROOT / "tests" / "requirements.in")
PIN = re.compile(r"(?P<name>[A-Za-z0-9-]+)(\[[a-z,]+\])?==(?P<version>[0-9][0-9a-z.]*)")

_ENTRY = re.compile(
    r"^(?P<requirement>[A-Za-z0-9][^\\\n]*?)(?P<hashes>( \\\n +--hash=\S+)*)$", re.M
)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


class Locked:
    """A requirement of a locked file, with the hashes of the files that may be installed."""

    def __init__(self, requirement: str, hashes: str) -> None:
        self.requirement = Requirement(requirement)
        self.name = canonicalize_name(self.requirement.name)
        self.version = str(self.requirement.specifier).removeprefix("==")
        self.hashes = _HASH.findall(hashes)

    @property
    def is_for_this_machine(self) -> bool:
        """Whether it is installed here."""
        return self.is_for({})

    def is_for(self, machine: dict[str, str]) -> bool:
        """Whether it is installed on this machine, but for what *machine* says of another one."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(machine)


def requirements(file: Path) -> list[tuple[str, str]]:
    """Each requirement of a written file, with the line above it."""
    lines = file.read_text().splitlines()
    pairs = zip(["", *lines], lines, strict=False)
    return [(line, above) for above, line in pairs if line and line[0] not in "#-"]


def locked(file: Path) -> list[Locked]:
    """What scripts/lock has made of a written file."""
    text = file.with_suffix(".txt").read_text()
    return [Locked(found["requirement"], found["hashes"]) for found in _ENTRY.finditer(text)]
