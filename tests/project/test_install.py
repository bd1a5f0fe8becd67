"""The wheel with only its dependencies, in a separate environment; and with its extras."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from labs.harness.processes import Processes, clean_environment
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from tests.docs.pages import Page
from tests.docs.test_tutorial import Project, opened, start_daphne, start_worker
from tests.project.distributions import build

UV = Path(sys.executable).with_name("uv")

#: The modules that need an extra.
OPTIONAL = (
    *("channels_workers.tasks", "channels_workers.logs.json", "channels_workers.jwt"),
    *("channels_workers.metrics", "channels_workers.schemas", "channels_workers.asyncapi"),
    *(f"channels_workers.tracing.{name}" for name in ("carriers", "failures", "spans")),
)

#: The extra of each of the first.
EXTRAS = ("tasks", "logs", "jwt", "metrics", "schemas")

IMPORT_ALL = """
import importlib, pkgutil, sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=[
        "channels_workers", "django.contrib.admin", "django.contrib.auth",
        "django.contrib.contenttypes", *([] if sys.argv[1:] else ["channels_workers.tasks"]),
    ],
    CHANNEL_ROUTING=[],
)
django.setup()
import channels_workers
def skip(name):
    assert name.startswith(tuple(sys.argv[1:])), name
for module in pkgutil.walk_packages(channels_workers.__path__, "channels_workers.", skip):
    if sys.argv[1:] and module.name.startswith(tuple(sys.argv[1:])):
        continue
    importlib.import_module(module.name)
    print(module.name)
"""


def run(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] = clean_environment()
) -> str:
    """Run a command to completion and return its output."""
    result = subprocess.run(command, cwd=cwd, env=env, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(build(tmp_path_factory.mktemp("build")).glob("channels_workers-*.whl"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The interpreter of the environment. It has the versions of requirements.txt."""
    folder = tmp_path_factory.mktemp("install")
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    install(python, wheel)
    return python


def install(python: Path, what: str | Path) -> None:
    options = ["--no-verify-hashes", "--constraint", ROOT / "tests" / "requirements.txt"]
    # The machine's configuration selects the package index.
    run(UV, "pip", "install", "--quiet", "--python", python, *options, what, env=os.environ)


def test_requirements_are_complete_and_compatible(python: Path) -> None:
    run(UV, "pip", "check", "--quiet", "--python", python)
    listed = run(UV, "pip", "list", "--python", python)
    for package in ("uvicorn", "websockets", "whitenoise", "pytest"):
        assert f"{package} " not in listed


def test_each_module_can_be_imported(python: Path, tmp_path: Path) -> None:
    imported = set(run(python, "-c", IMPORT_ALL, *OPTIONAL, cwd=tmp_path).split())
    assert {each for each in modules() if not each.startswith(OPTIONAL)} <= imported


def modules() -> set[str]:
    folder = ROOT / "channels_workers"
    return {
        ".".join((folder.name, *file.relative_to(folder).with_suffix("").parts))
        for file in folder.rglob("*.py")
        if file.name != "__init__.py"
    }


@pytest.mark.parametrize(("module", "extra"), [*zip(OPTIONAL, EXTRAS, strict=False)])
def test_what_needs_an_extra_says_what_to_install(
    module: str, extra: str, python: Path, tmp_path: Path
) -> None:
    command = [python, "-c", f"import {module}"]
    result = subprocess.run(
        command, env=clean_environment(), cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert f"pip install 'channels-workers[{extra}]'" in result.stderr


def test_tracing_says_what_to_install(python: Path, tmp_path: Path) -> None:
    program = (
        "import django; from django.conf import settings; settings.configure(INSTALLED_APPS="
        '["channels_workers"], CHANNEL_WORKERS={"TRACING": True}); django.setup()'
    )
    command = [python, "-c", program]
    result = subprocess.run(
        command, env=clean_environment(), cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "pip install 'channels-workers[tracing]'" in result.stderr


def test_the_extras_bring_their_packages(wheel: Path, tmp_path: Path) -> None:
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    install(python, f"{wheel}[jwt,logs,metrics,schemas,tasks,tracing]")
    run(UV, "pip", "check", "--quiet", "--python", python)
    imported = run(python, "-c", IMPORT_ALL, cwd=tmp_path)
    assert modules() <= set(imported.split())


def test_the_upgrade_stub_says_what_to_install(python: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [python, "-m", "channels_workers.upgrade", tmp_path],
        env=clean_environment(),
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "pipx install channels-workers-upgrade" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_tutorial_up_to_several_processes(
    python: Path, tmp_path: Path, start_process: Processes, redis_server: RedisServer
) -> None:
    board = Project(tmp_path / "project", start_process, redis_server, python, source="")
    board.start()
    board.write_all("board/consumers.py", 1)
    board.write_all("board/routing.py", 1)
    board.write_all("mysite/settings.py", 1)
    board.manage("check", "--database", "default")
    board.manage("migrate")
    server = start_daphne(board)
    worker = start_worker(board)
    with opened(server, "/board/news/") as ann, opened(server, "/board/news/") as bob:
        ann.send("one")
        assert [ann.recv(60), bob.recv(60)] == ['{"line": "one", "number": 1}'] * 2
        assert worker.terminate() == 0
        ann.send("while no worker runs")
        start_worker(board)
        assert bob.recv(60) == '{"line": "while no worker runs", "number": 2}'


def test_the_package_page_works_from_an_empty_project(
    python: Path, tmp_path: Path, start_process: Processes, redis_server: RedisServer
) -> None:
    """Its instructions are enough: install, three files, `manage.py runserver`."""
    project = Project(tmp_path, start_process, redis_server, python, source="")
    run(python, "-m", "django", "startproject", "mysite", tmp_path, cwd=tmp_path)
    for block in Page(ROOT / "channels_workers" / "README.md").blocks:
        if block.file:
            project.write(block)
    project.manage("check")
    project.manage("migrate")
    server = project.serve()
    with opened(server, "/any/") as ann, opened(server, "/any/") as bob:
        ann.send("hello")
        assert [ann.recv(60), bob.recv(60)] == ["hello"] * 2
