"""Builds the distributions as a release does."""

import subprocess
from pathlib import Path

import pytest

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from tests.shared_folders import shared_folder


def distributions(factory: pytest.TempPathFactory) -> Path:
    """The folder with both distributions, built once in a run of the tests."""
    return shared_folder(factory, "distributions", _build)


def _build(folder: Path) -> None:
    """Build both distributions into a folder and check them."""
    result = subprocess.run(
        [ROOT / "scripts" / "package", folder],
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
