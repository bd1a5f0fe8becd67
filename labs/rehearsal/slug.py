"""Slugs: the files of a commit and an environment."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from labs.harness.commands import run
from labs.harness.patch import Patch
from labs.harness.procfile import parse_procfile
from labs.harness.project import ROOT


@dataclass(frozen=True)
class Slug:
    """The files of a commit in *folder*, and the *python* of its environment."""

    commit: str
    folder: Path
    python: Path

    @property
    def procfile(self) -> dict[str, str]:
        """Each process type with its command."""
        return parse_procfile((self.folder / "Procfile").read_text())

    @property
    def path(self) -> str:
        """PATH in a dyno: the environment, then the system's."""
        return os.pathsep.join([str(self.python.parent), os.defpath])

    def packages(self) -> dict[str, str]:
        """Return each package of the environment with its version."""
        listed = run(self.python, "-m", "pip", "list", "--format", "json", cwd=self.folder)
        return {canonicalize_name(entry["name"]): entry["version"] for entry in json.loads(listed)}


class Repository:
    """A bare clone of the checkout, as after ``git push heroku``."""

    def __init__(self, folder: Path, checkout: Path = ROOT) -> None:
        self.folder = folder
        self.checkout = checkout
        self.bare = folder / "repository.git"
        self.commit = git("rev-parse", "HEAD", cwd=checkout)

    def changes(self) -> int:
        """Return how many files of the checkout differ from its commit."""
        return len(git("status", "--porcelain", cwd=self.checkout).splitlines())

    def clone(self) -> None:
        """Clone the checkout's commit, without a working tree."""
        git("clone", "--quiet", "--bare", "--no-local", self.checkout, self.bare, cwd=self.folder)

    def unpack(self, commit: str, folder: Path) -> None:
        """Write the files of a commit into a new *folder*."""
        archive = run("git", "archive", "--format", "tar", commit, cwd=self.bare)
        folder.mkdir()
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")

    def commit_patches(self, patches: Sequence[Patch], subject: str) -> str:
        """Commit changes on top of the checkout's commit, in a second clone. Returns the commit."""
        work = self.folder / "second-clone"
        git("clone", "--quiet", self.bare, work, cwd=self.folder)
        git("checkout", "--quiet", "-b", "rehearsed", self.commit, cwd=work)
        for patch in patches:
            patch.apply(work)
        who = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.com")
        git(*who, "commit", "--quiet", "--all", "--message", subject, cwd=work)
        git("push", "--quiet", "origin", "rehearsed", cwd=work)
        return git("rev-parse", "HEAD", cwd=work)


def git(*arguments: str | Path, cwd: Path) -> str:
    """Return the output of a git command, without the final newline."""
    return run("git", *arguments, cwd=cwd).decode().strip()


def find_python(folder: Path) -> Path:
    """Return the interpreter that ``runtime.txt`` requests, or the running one without the file."""
    wanted = re.match(r"python-(\d+\.\d+)", (folder / "runtime.txt").read_text())
    version = wanted[1] if wanted else ""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
    if command := shutil.which(f"python{version}"):
        found.append(Path(command))
    for each in found:
        said = run(each, "-c", "import sys; print('%d.%d' % sys.version_info[:2])", cwd=folder)
        if said.decode().strip() == version:
            return each
    return Path(sys.executable)


def make_environment(interpreter: Path, requirements: Path, folder: Path) -> Path:
    """Create a virtual environment from one requirements file. Returns its interpreter."""
    run(interpreter, "-m", "venv", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    options = ("--quiet", "--disable-pip-version-check", "--no-input")
    run(python, "-m", "pip", "install", *options, "-r", requirements, cwd=folder.parent)
    return python
