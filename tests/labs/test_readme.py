"""labs/README.md lists everything in the folder."""

import os
import re

from labs.harness.project import ROOT

LABS = ROOT / "labs"
TEXT = (LABS / "README.md").read_text()


def first_cells(part: str) -> set[str]:
    return {name.rstrip("/") for name in re.findall(r"^\| \[?`([^`]+)`", part, re.M)}


def test_every_lab_has_a_row() -> None:
    part = TEXT.partition("## The harness")[0]
    folders = {folder.parent.name for folder in LABS.glob("*/__init__.py")}
    assert first_cells(part) == folders - {"harness"}


def test_every_module_of_the_harness_has_a_row() -> None:
    part = TEXT.partition("## The harness")[2]
    there = {path.name for path in (LABS / "harness").iterdir()} - {"__init__.py", "__pycache__"}
    assert first_cells(part) == there


def test_its_commands_and_links_exist() -> None:
    commands = re.findall(r"`((?:labs|scripts)/[a-z/]+)`", TEXT)
    assert len(commands) >= 6
    for name in commands:
        assert os.access(ROOT / name, os.X_OK), name
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (LABS / link).is_file(), link
