"""What `pip install .` installs: the engine alone."""

import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from labs.harness.requirements import locked

SOURCE = (
    "pyproject.toml",
    "LICENSE",
    "README.md",
    "channels_workers",
    "chat",
    "chat_project",
    "labs",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy, since a build leaves files behind."""
    folder = tmp_path_factory.mktemp("package")
    copy_source(folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps"]
    result = subprocess.run(
        [*pip, "--wheel-dir", folder, folder / "source"],
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def copy_source(target: Path) -> None:
    """Copy what a checkout holds, without what running it has left there."""
    import shutil

    target.mkdir()
    for name in SOURCE:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".venv")
            shutil.copytree(ROOT / name, target / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, target)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_it_holds_the_engine_alone(wheel: zipfile.ZipFile) -> None:
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"channels_workers"}


def test_it_holds_every_file_of_the_engine(wheel: zipfile.ZipFile) -> None:
    wanted = {
        str(file.relative_to(ROOT))
        for pattern in ("*.py", "*.lua", "py.typed")
        for file in (ROOT / "channels_workers").rglob(pattern)
    }
    packed = {name for name in wheel.namelist() if name.startswith("channels_workers/")}
    assert packed == wanted
    assert any(name.endswith(".lua") for name in packed)
    assert "channels_workers/py.typed" in packed


def test_its_name_version_and_licence(metadata: Message) -> None:
    import channels_workers

    assert metadata["Name"] == "channels-workers"
    assert metadata["Version"] == channels_workers.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"


def test_it_asks_for_the_packages_that_the_chat_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {one.name: one.version for one in locked(ROOT / "requirements.in")}
    for dependency in map(Requirement, project["dependencies"]):
        assert dependency.specifier.contains(pinned[dependency.name])
