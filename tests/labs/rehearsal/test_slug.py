"""What the platform builds from a commit."""

import os
import sys
from pathlib import Path

import pytest

from labs.harness.commands import Failed, run
from labs.harness.project import ROOT
from labs.rehearsal.slug import Repository, find_python, git
from labs.rehearsal.steps.deploying import MARK, NEW_CONSUMER


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, and an uncommitted file."""
    folder = tmp_path / "checkout"
    (folder / "chat").mkdir(parents=True)
    (folder / "chat" / "consumers.py").write_text((ROOT / "chat" / "consumers.py").read_text())
    git("init", "--quiet", cwd=folder)
    git("add", ".", cwd=folder)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    git(*who, "commit", "--quiet", "--message", "One", cwd=folder)
    (folder / "secret").write_text("not committed")
    return folder


def test_only_committed_files_are_used(checkout: Path, tmp_path: Path) -> None:
    repository = Repository(tmp_path, checkout)
    repository.clone()
    repository.unpack(repository.commit, tmp_path / "app")
    files = [path.relative_to(tmp_path / "app") for path in (tmp_path / "app").rglob("*.*")]
    assert files == [Path("chat/consumers.py")]
    assert repository.changes() == 1


def test_the_changed_consumer_applies_and_is_valid_python(checkout: Path, tmp_path: Path) -> None:
    repository = Repository(tmp_path, checkout)
    repository.clone()
    commit = repository.commit_patches(NEW_CONSUMER, "Mark each message")
    assert commit != repository.commit
    repository.unpack(commit, tmp_path / "app-2")
    changed = (tmp_path / "app-2" / "chat" / "consumers.py").read_text()
    assert MARK in changed
    # Every name that it uses is defined or imported.
    ruff = (Path(sys.executable).with_name("ruff"), "check", "--isolated", "--select", "E9,F821")
    run(*ruff, tmp_path / "app-2" / "chat" / "consumers.py", cwd=tmp_path)


def test_a_failed_command_shows_its_output(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="ended with 3:\n.*because") as caught:
        run("/bin/sh", "-c", "echo because; exit 3", cwd=tmp_path)
    assert "/bin/sh" in str(caught.value)


def test_the_interpreter_follows_runtime_txt_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = "{}.{}".format(*sys.version_info)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / f"python{version}").symlink_to(sys.executable)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    (tmp_path / "runtime.txt").write_text(f"python-{version}\n")
    assert find_python(tmp_path) == folder / f"python{version}"
    (tmp_path / "runtime.txt").write_text("python-2.0\n")
    assert find_python(tmp_path) == Path(sys.executable)
