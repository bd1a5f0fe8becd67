"""The moved applications of labs/genuine/ have no leftovers and can be imported."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT

FOLDER = ROOT / "labs" / "genuine" / "applications"
APPLICATIONS = sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))

#: Imports each module of the named application with Django and our engine.
IMPORT_ALL = """if True:
    import importlib, pkgutil, sys
    import django
    from django.conf import settings

    name = sys.argv[1]
    layer = {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}
    settings.configure(
        INSTALLED_APPS=[
            "channels_workers",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            name,
        ],
        CHANNEL_LAYERS={"default": layer},
        CHANNEL_ROUTING=[],
    )
    django.setup()
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        importlib.import_module(module.name)
        print(module.name)
    assert "channels.handler" not in sys.modules
"""


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = clean_environment() | {"PYTHONPATH": f"{folder}:{ROOT}:{ROOT / 'upgrade'}"}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_moved_application_can_be_imported(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "applications"  # one may include the pages of another
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    copy = folder / name
    moved = python(folder, "-m", "channels_workers_upgrade", "--write", str(copy))
    assert moved.returncode == 0, moved.stderr
    imported = python(folder, "-c", IMPORT_ALL, name)
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.split()
    again = python(folder, "-m", "channels_workers_upgrade", str(copy))
    assert (again.returncode, again.stdout) == (0, "")


def test_there_are_applications() -> None:
    assert APPLICATIONS
