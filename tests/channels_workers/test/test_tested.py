"""The upgraded tests of labs/genuine/applications/tested pass on this engine.

`labs/genuine/compare` runs them on both engines.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT

COMPARISON = {
    "package": "tested",
    "routing": "tested.routing.channel_routing",
    "urls": "labs.genuine.comparison.settings.urls",
    "database": ":memory:",
    # The tests replace the Redis layer with a memory layer, so this one is never used.
    "redis": "redis://nowhere",
    "layer": {},
    "settings": {},
    "workers": {},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a copy of the package."""
    source = ROOT / "labs" / "genuine" / "applications" / "tested"
    shutil.copytree(source, tmp_path / "tested", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """The standard error of a command that succeeds."""
    environment = {
        "COMPARISON": json.dumps(COMPARISON),
        "PYTHONPATH": f"{folder}:{ROOT}:{ROOT / 'upgrade'}",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_they_pass_on_this_engine(folder: Path) -> None:
    settings = "labs.genuine.comparison.settings.ours"
    run(folder, sys.executable, "-m", "channels_workers_upgrade", "--write", "tested")
    written = run(folder, sys.executable, "-m", "django", "test", "tested", "--settings", settings)
    assert "\nOK\n" in written
