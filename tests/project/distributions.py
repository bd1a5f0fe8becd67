"""Builds the distributions as a release does."""

import subprocess
from pathlib import Path

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT


def build(folder: Path) -> Path:
    """Build both distributions into a folder and check them. Returns the folder."""
    result = subprocess.run(
        [ROOT / "scripts" / "package", folder],
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder
