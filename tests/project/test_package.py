"""The engine's distributions: a wheel with only the engine, and a source archive with tests."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from labs.harness.requirements import WRITTEN, locked, requirements
from tests.project.distributions import distributions

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the distributions."""
    return distributions(tmp_path_factory)


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("channels_workers-*.whl")))


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked source distribution."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(next(built.glob("channels_workers-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_the_wheel_contains_only_the_engine(wheel: zipfile.ZipFile) -> None:
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"channels_workers"}


def test_the_wheel_contains_every_file_of_the_engine(wheel: zipfile.ZipFile) -> None:
    wanted = {
        str(file.relative_to(ROOT))
        for pattern in ("*.py", "*.lua", "*.js", "*.css", "*.html", "*.po", "*.mo", "py.typed")
        for file in (ROOT / "channels_workers").rglob(pattern)
    }
    templates = (ROOT / "channels_workers" / "scaffold" / "templates").rglob("*")
    wanted |= {str(file.relative_to(ROOT)) for file in templates if file.is_file()}
    packed = {name for name in wheel.namelist() if name.startswith("channels_workers/")}
    assert packed == wanted
    assert any(name.endswith(".lua") for name in packed)
    assert "channels_workers/py.typed" in packed
    assert "channels_workers/static/channels/js/websocketbridge.js" in packed


def test_name_version_and_licence(metadata: Message) -> None:
    import channels_workers

    assert metadata["Name"] == "channels-workers"
    assert metadata["Version"] == channels_workers.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"


def test_it_requires_the_packages_that_the_chat_pins() -> None:
    pinned = {one.name: one.version for one in locked(ROOT / "requirements.in")}
    for dependency in map(Requirement, PROJECT["dependencies"]):
        assert dependency.specifier.contains(pinned[dependency.name])


@pytest.mark.parametrize("name", ["docs", "tests", "CHANGELOG.md", "LICENSE", "SECURITY.md"])
def test_the_source_contains_docs_changelog_and_tests(name: str, unpacked: Path) -> None:
    assert (unpacked / name).exists()


def test_the_source_contains_no_files_of_this_machine(unpacked: Path) -> None:
    """The builder adds only a file list and the metadata."""
    made = {"PKG-INFO", "setup.cfg", "channels_workers.egg-info"}
    names = {path.name for path in unpacked.iterdir()} - made
    assert names <= {path.name for path in ROOT.iterdir()}
    assert not [path for path in unpacked.rglob("*") if path.name in {".venv", "__pycache__"}]


def test_the_source_passes_its_own_tests(unpacked: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/channels_workers/test_message.py"],
        cwd=unpacked,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_packages_of_its_dependency_groups_are_pinned() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    chat, docs, test = (
        {Requirement(line).name for line in groups[name] if isinstance(line, str)}
        for name in ("chat", "docs", "test")
    )
    engine = {Requirement(line).name for line in PROJECT["dependencies"]}
    of_chat, of_tests = (
        {Requirement(line).name for line, _ in requirements(file)} for file in WRITTEN
    )
    assert {name.lower() for name in of_chat} - engine == chat
    assert test | docs <= of_tests
