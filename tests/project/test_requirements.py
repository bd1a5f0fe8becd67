"""requirements.txt and tests/requirements.txt: pinned, and each with its reason."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.processes.process import ROOT

FILES = (ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt")
PIN = re.compile(r"(?P<name>[A-Za-z0-9-]+)(\[[a-z,]+\])?==(?P<version>[0-9][0-9a-z.]*)")

pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def requirements(file: Path) -> list[tuple[str, str]]:
    """Each requirement with the line above it."""
    lines = file.read_text().splitlines()
    pairs = zip(["", *lines], lines, strict=False)
    return [(line, above) for above, line in pairs if line and line[0] not in "#-"]


def test_each_is_pinned_exactly(file: Path) -> None:
    assert requirements(file)
    for line, _ in requirements(file):
        assert PIN.fullmatch(line), line


def test_each_has_its_reason(file: Path) -> None:
    for line, above in requirements(file):
        assert above.startswith("# "), line


def test_each_is_what_the_tests_run_with(file: Path) -> None:
    for line, _ in requirements(file):
        pin = PIN.fullmatch(line)
        assert pin
        assert version(pin["name"]) == pin["version"]
