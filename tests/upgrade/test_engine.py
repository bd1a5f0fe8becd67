"""The upgrade command knows the engine, and its output runs on the engine."""

import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest

from channels_workers_upgrade.lookup import MODULES
from channels_workers_upgrade.names import NAMES
from channels_workers_upgrade.packages import LEAST
from channels_workers_upgrade.renames import NEW, OLD
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from upgrade.tests.sample import run, write_project

LOGGER = "from channels.log import setup_logger\n"


def python(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with the engine and the command on its path and without settings."""
    env = clean_environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'upgrade'}"} | env
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)


def exists(name: str) -> bool:
    module, _, last = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), last)
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_engine_has_each_new_name(name: str) -> None:
    if target := NAMES[name].target:
        assert exists(target)
    else:
        assert not exists(NEW + name.removeprefix(OLD)), "it is here now: change its status"


@pytest.mark.parametrize("module", sorted(filter(None, MODULES.values())))
def test_the_engine_has_each_new_module(module: str) -> None:
    importlib.import_module(module)


def test_the_minimum_versions_are_those_of_the_packages() -> None:
    """Of several lower bounds, the highest counts."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for name in ("channels", "channels-redis", "daphne"):
        lines += [line for line in requires(name) or () if "extra ==" not in line]
    least: dict[str, tuple[int, ...]] = {}
    for line in lines:
        found = re.match(r"([\w-]+)(?:\[\w+\])?.*?>=([\d.]+)", line)
        if found:
            bound = tuple(map(int, found[2].rstrip(".0").split(".")))
            least[found[1].lower()] = max(bound, least.get(found[1].lower(), (0,)))
    assert {name: least[name] for name in LEAST} == LEAST


def test_following_the_report_satisfies_djangos_checks(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    run(project, "--write", ".")
    consumers = project / "board/consumers.py"
    consumers.write_text(consumers.read_text().replace(LOGGER, ""))
    assert run(project, "mysite", "board/consumers.py").returncode == 0
    check = python(project, "manage.py", "check", "--fail-level", "WARNING")
    assert check.returncode == 0, check.stderr
    code = "import mysite.asgi as asgi; print(asgi.channel_layer)"
    made = python(project, "-c", code, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert "Interface" in made.stdout, made.stderr


def test_the_stub_in_the_engine_starts_the_command(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    by_old_name = python(project, "-m", "channels_workers.upgrade", ".")
    by_new_name = run(project, ".")
    assert by_old_name.returncode == by_new_name.returncode == 1
    assert by_old_name.stdout == by_new_name.stdout
    assert by_old_name.stderr == by_new_name.stderr
