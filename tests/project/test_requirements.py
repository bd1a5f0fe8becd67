"""requirements.in and tests/requirements.in, and what scripts/lock generates from them."""

import re
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labs.harness.project import ROOT
from labs.harness.requirements import PIN, WRITTEN, Locked, locked, requirements

CURE = "Run scripts/lock."

each_file = pytest.mark.parametrize("file", WRITTEN, ids=lambda file: str(file.relative_to(ROOT)))


def by_name(file: Path) -> dict[str, Locked]:
    """The locked requirements for this machine."""
    return {one.name: one for one in locked(file) if one.is_for_this_machine}


def needs(requirement: Requirement) -> list[Requirement]:
    """The requirements of the installed package here, with the extras of `requirement`."""
    asked = [Requirement(line) for line in requires(requirement.name) or ()]
    return [
        one
        for one in asked
        if one.marker is None
        or any(one.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras))
    ]


@each_file
def test_each_requirement_is_pinned_exactly(file: Path) -> None:
    assert requirements(file)
    for line, _ in requirements(file):
        assert PIN.fullmatch(line), line


@each_file
def test_each_requirement_has_its_reason(file: Path) -> None:
    for line, above in requirements(file):
        assert above.startswith("# "), line


@each_file
def test_each_requirement_is_locked_at_its_version(file: Path) -> None:
    found = by_name(file)
    for line, _ in requirements(file):
        asked = Requirement(line)
        name = canonicalize_name(asked.name)
        assert name in found, f"{line} is not in the locked file. {CURE}"
        assert asked.specifier.contains(found[name].version), f"{line} is out of date. {CURE}"


@each_file
def test_transitive_requirements_are_locked_too(file: Path) -> None:
    found = by_name(file)
    waiting = [Requirement(line) for line, _ in requirements(file)]
    seen = set()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        assert name in found, f"{one} is not in the locked file. {CURE}"
        assert one.specifier.contains(found[name].version, prereleases=True), f"{one}. {CURE}"
        if (name, *sorted(one.extras)) not in seen:
            seen.add((name, *sorted(one.extras)))
            waiting += needs(one)
    assert {name for name, *_ in seen} <= set(found)


@each_file
def test_each_locked_line_has_hashes(file: Path) -> None:
    text = file.with_suffix(".txt").read_text()
    starts = re.findall(r"^[A-Za-z0-9].*", text, re.MULTILINE)
    assert len(locked(file)) == len(starts)
    for one in locked(file):
        assert PIN.fullmatch(f"{one.name}=={one.version}"), one.requirement
        assert one.hashes, f"{one.requirement} has no hash. {CURE}"


@each_file
def test_the_installed_versions_are_the_locked_ones(file: Path) -> None:
    for one in by_name(file).values():
        assert version(one.name) == one.version, one.name


def test_the_tests_use_the_chats_versions() -> None:
    chat, tests = ({str(one.requirement): one.hashes for one in locked(file)} for file in WRITTEN)
    different = {line for line in chat if chat[line] != tests.get(line) and "win32" not in line}
    assert not different


def test_a_platform_finds_only_one_requirements_file() -> None:
    assert [file.name for file in ROOT.glob("requirements*.txt")] == ["requirements.txt"]
