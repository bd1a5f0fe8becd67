"""The environment of a combination: an interpreter and packages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from labs.versions.combinations import LOWEST, Combination

#: The packages whose versions a result names: the wheel's requirements.
NAMED = tuple(LOWEST)

_ASK = """
import json, platform, sys
from importlib.metadata import version
print(json.dumps({"python": platform.python_version()} | {n: version(n) for n in sys.argv[1:]}))
"""


class MissingPython(Exception):
    """This machine lacks an interpreter that a combination needs."""


def find_python(version: str, given: Mapping[str, str]) -> Path:
    """The interpreter of this version: the given one, else from the PATH, else from pyenv."""
    names = (
        [given[version]]
        if version in given
        else [f"python{version}", *map(str, _of_pyenv(version))]
    )
    for name in names:
        path = shutil.which(name)
        if path and _version_of(path) == version:
            return Path(path)
    raise MissingPython(
        f"Python {version} is needed, and none was found: {', '.join(names)}. Install one "
        f"(`uv python install {version}`), or name it: --python {version}=/path/to/python"
    )


def make_environment(combination: Combination, python: Path, root: Path, folder: Path) -> Path:
    """Create a virtual environment for the tests in `folder`. Returns its interpreter.

    It has the packages of tests/requirements.txt, except where the combination names another
    version.
    """
    environment, overrides = folder / "environment", folder / "overrides.txt"
    overrides.write_text("".join(f"{n}=={v}\n" for n, v in combination.packages.items()))
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, environment], check=True)
    interpreter = environment / "bin" / "python"
    subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--python", interpreter, "--no-verify-hashes"),
            *("--override", overrides, "--requirement", root / "tests" / "requirements.txt"),
        ],
        check=True,
    )
    return interpreter


def installed_versions(interpreter: Path) -> dict[str, str]:
    """The installed versions."""
    asked = subprocess.run(
        [interpreter, "-c", _ASK, *NAMED], check=True, capture_output=True, text=True
    )
    versions: dict[str, str] = json.loads(asked.stdout)
    return versions


def _of_pyenv(version: str) -> list[Path]:
    folders = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*")
    return [folder / "bin" / "python" for folder in sorted(folders)]


def _version_of(path: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    asked = subprocess.run([path, "-c", code], check=False, capture_output=True, text=True)
    return asked.stdout.strip()
