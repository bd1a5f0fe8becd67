"""A project without asgi.py gets one, if its wsgi.py tells the settings."""

import subprocess
from pathlib import Path

import pytest

from channels_workers_upgrade.application import missing_entry

from .sample import contents, run, write_project

WSGI = """\
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

application = get_wsgi_application()
"""
ASGI = """\
import os

from channels_workers.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

application = get_application()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path)
    (tmp_path / "mysite/asgi.py").unlink()
    (tmp_path / "mysite/wsgi.py").write_text(WSGI)
    return tmp_path


def test_it_is_written_with_the_setting(project: Path) -> None:
    result = run(project, "--write", "mysite")
    assert (result.returncode, result.stderr) == (0, RESULT)
    assert (project / "mysite/asgi.py").read_text() == ASGI
    settings = (project / "mysite/settings.py").read_text()
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in settings
    assert run(project, "mysite").stdout == ""


RESULT = "2 files changed, 0 changes left to make by hand\n"


def test_the_patch_has_it(project: Path) -> None:
    before = contents(project)
    patch = run(project, "mysite").stdout
    assert contents(project) == before
    subprocess.run(["git", "apply", "-"], cwd=project, input=patch, check=True, text=True)
    after = contents(project)
    for name, content in before.items():
        (project / name).write_bytes(content)
    (project / "mysite/asgi.py").unlink()
    run(project, "--write", "mysite")
    assert contents(project) == after


@pytest.mark.parametrize(
    ("wsgi", "settings"),
    [
        (WSGI, "mysite.settings"),
        ("os.environ['DJANGO_SETTINGS_MODULE'] = 'a.b.c'\n", "a.b.c"),
        ("application = make()\n", ""),
    ],
)
def test_the_settings_are_those_of_wsgi(wsgi: str, settings: str, tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").write_text(wsgi)
    entry = missing_entry(tmp_path)
    assert bool(entry) == bool(settings)
    assert entry is None or f'"{settings}")' in entry.content.decode()


def test_an_asgi_py_stays(tmp_path: Path) -> None:
    for name in ("wsgi.py", "asgi.py"):
        (tmp_path / name).write_text(WSGI)
    assert missing_entry(tmp_path) is None
