"""Shared by the tests of the JavaScript client.

made
    The folder with the package and the bundle. Runs all checks of the client.
installed
    A folder in which Node.js finds the package.
user_key
    The primary key of a new user.
"""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from labs.harness.commands import run
from labs.harness.project import ROOT

NODE = Path(sys.executable).with_name("node")


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    result = subprocess.run(
        [ROOT / "scripts" / "client", folder], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^# pass [1-9]", result.stdout, re.MULTILINE), result.stdout
    assert re.search(r"^# (fail|cancelled|skipped|todo) [1-9]", result.stdout, re.MULTILINE) is None
    return folder


@pytest.fixture(scope="package")
def installed(made: Path) -> Path:
    (archive,) = made.glob("*.tgz")
    with tarfile.open(archive) as package:
        package.extractall(made / "unpacked", filter="data")
    modules = made / "node_modules"
    modules.mkdir()
    (made / "unpacked" / "package").rename(modules / "channels-workers")
    return made


@pytest.fixture
def user_key(chat_environment: dict[str, str]) -> str:
    code = "from django.contrib.auth.models import User; print(User.objects.create_user('ann').pk)"
    shell = (sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", code)
    return run(*shell, cwd=ROOT, env=chat_environment).decode().strip()
