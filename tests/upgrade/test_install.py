"""The upgrade command's wheel, installed alone, moves a project."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from channels_workers_upgrade import __version__
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from tests.project.distributions import distributions
from upgrade.tests.sample import contents, write_project

UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, env: Mapping[str, str] = clean_environment()) -> str:
    """Run a command to completion and return its output."""
    result = subprocess.run(command, cwd="/", env=env, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("install")
    wheel = next(distributions(tmp_path_factory).glob("channels_workers_upgrade-*.whl"))
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    programs = folder / "venv" / "bin"
    options = ["--no-verify-hashes", "--constraint", ROOT / "tests" / "requirements.txt"]
    install = [UV, "pip", "install", "--quiet", "--python", programs / "python"]
    # The machine's configuration selects the package index.
    run(*install, *options, wheel, env=os.environ)
    return programs


def upgrade(programs: Path, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [programs / "channels-workers-upgrade", *arguments],
        cwd=project,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_wheel_installs_nothing_else(programs: Path) -> None:
    listed = run(UV, "pip", "list", "--format", "freeze", "--python", programs / "python")
    assert listed.split() == [f"channels-workers-upgrade=={__version__}"]


def test_it_prints_its_version(programs: Path, tmp_path: Path) -> None:
    assert upgrade(programs, tmp_path, "--version").stdout.endswith(f" {__version__}\n")


def test_it_moves_a_project(programs: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path)
    before = contents(project)
    printed = upgrade(programs, project, ".")
    assert printed.returncode == 1
    assert printed.stdout.startswith("--- a/board/consumers.py")
    assert contents(project) == before
    written = upgrade(programs, project, "--write", ".")
    assert written.stderr.endswith("4 files changed, 7 changes left to make by hand\n")
    assert "from channels_workers import" in (project / "board/consumers.py").read_text()
