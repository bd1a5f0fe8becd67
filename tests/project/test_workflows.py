"""Workflows of GitHub: third-party actions are pinned, and have only read access."""

import re
from pathlib import Path

import pytest
import yaml

from labs.harness.project import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d\S*")

each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)


def test_there_are_workflows() -> None:
    assert [file.name for file in WORKFLOWS] == ["tests.yml", "versions.yml"]


@each_workflow
def test_third_party_actions_are_pinned_by_commit(file: Path) -> None:
    for action in re.findall(r"^\s*-?\s*uses:\s*(.+)$", file.read_text(), re.MULTILINE):
        assert PINNED.fullmatch(action), f"{file.name}: {action} needs a commit, and # its version"


@each_workflow
def test_workflows_may_only_read_the_repository(file: Path) -> None:
    text = file.read_text()
    assert "\npermissions:\n  contents: read\n\n" in text
    assert text.count("permissions:") == 1


@each_workflow
def test_all_jobs_use_one_runner_version(file: Path) -> None:
    runners = re.findall(r"runs-on: (.+)", file.read_text())
    assert runners
    assert all(re.fullmatch(r"ubuntu-\d\d\.04", runner) for runner in runners)


@each_workflow
def test_the_commands_that_they_run_exist(file: Path) -> None:
    commands = re.findall(r"^ +(?:- )?run: (\S+/\S+)", file.read_text(), re.MULTILINE)
    assert commands
    for command in commands:
        assert (ROOT / command).is_file(), command


def test_the_jobs_run_each_test_folder_once() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    commands = [step.get("run", "").split() for job in jobs.values() for step in job["steps"]]
    tested = [
        word
        for command in commands
        if command[:1] == ["scripts/test"]
        for word in command
        if word.startswith(("tests/", "upgrade/"))
    ]
    folders = {f"tests/{file.parent.name}" for file in (ROOT / "tests").glob("*/__init__.py")}
    assert sorted(tested) == sorted(folders | {"upgrade/tests"})
