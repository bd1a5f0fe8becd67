"""Programs and modules that pages name exist."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from labs.harness.project import ROOT

# Except for the changelog, which may name former ones.
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "labs/**/*.md")
    for page in ROOT.glob(pattern)
    if not {".venv", "results", "CHANGELOG.md"} & {*page.parts}
)
#: A program of the project as a person types it.
PROGRAM = re.compile(r"(?<![\w./-])((?:scripts|labs/\w+|legacy)/[a-z]+)(?![\w./*-])")
MODULE = re.compile(r"python -m ((?:labs|channels_workers)(?:\.\w+)*)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_programs_exist(page: Path) -> None:
    for name in PROGRAM.findall(page.read_text()):
        path = ROOT / name
        assert path.is_dir() or os.access(path, os.X_OK), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_modules_exist(page: Path) -> None:
    for name in MODULE.findall(page.read_text()):
        assert find_spec(name), name


def test_the_search_finds_something() -> None:
    text = "".join(page.read_text() for page in PAGES)
    found = {*PROGRAM.findall(text), *MODULE.findall(text)}
    assert found >= {"scripts/check", "labs/benchmarks/compare", "labs.faults"}
