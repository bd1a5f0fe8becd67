"""The command, run on a small but whole project of Channels 1.1.8."""

import subprocess
import sys
from errno import ENOSPC
from pathlib import Path

import pytest

from channels_workers_upgrade.findings import is_done
from channels_workers_upgrade.project import Project
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT

FILES = {
    "manage.py": """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
execute_from_command_line(sys.argv)
""",
    "mysite/__init__.py": "",
    "mysite/settings.py": """\
INSTALLED_APPS = ["channels", "django.contrib.staticfiles", "board"]
WSGI_APPLICATION = "mysite.wsgi.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "asgi_redis.RedisChannelLayer",
        "ROUTING": "board.routing.channel_routing",
    },
}
SECRET_KEY = "secret"
STATIC_URL = "/static/"
""",
    "mysite/asgi.py": """\
from channels.asgi import get_channel_layer

channel_layer = get_channel_layer()
""",
    "board/__init__.py": "",
    "board/consumers.py": """\
from channels import Channel, Group, channel_layers
from channels.binding.websockets import WebsocketBinding
from channels.sessions import channel_session


@channel_session
def receive(message):
    Group("board").send({"text": message["text"]})
""",
    "board/routing.py": """\
import channels

channel_routing = [channels.route("websocket.receive", "board.consumers.receive")]
""",
    "board/old.py": "print 'Python 2, channels'\n",
    "board/channels.py": "from .consumers import receive\n",
    "node_modules/x.py": "from channels import Group\n",
    "env/pyvenv.cfg": "",
    "env/lib/x.py": "from channels import Group\n",
    ".git/hooks/x.py": "from channels import Group\n",
    "start.sh": "pip install asgi_redis\ndaphne --force-sync mysite.asgi:channel_layer\n",
    "requirements.txt": "Django==1.11.29\nchannels<2\nasgi_redis\n",
    "Procfile": "web: daphne mysite.asgi:channel_layer\nworker: python manage.py runworker\n",
}

REPORT = """\
Procfile:1: `daphne ...:channel_layer` (note)
Procfile:2: `runworker` (note)
board/consumers.py:{binding}: `channels.binding.websockets.WebsocketBinding`
board/old.py:1: cannot be parsed
requirements.txt:1: `Django==1.11.29`
requirements.txt:2: `channels<2`
requirements.txt:3: `asgi_redis`
start.sh:1: `asgi_redis`
start.sh:2: `daphne --force-sync`
start.sh:2: `daphne ...:channel_layer` (note)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "link.py").symlink_to(tmp_path / "node_modules" / "x.py")
    return tmp_path


def python(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with our engine on its path and without settings."""
    env = clean_environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'upgrade'}"} | env
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "channels_workers_upgrade", *arguments)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_said(result: subprocess.CompletedProcess[str], binding: int) -> None:
    lines = result.stderr.splitlines()
    wanted = REPORT.format(binding=binding).splitlines()
    assert len(lines) == len(wanted) + 1
    for line, beginning in zip(lines, wanted, strict=False):
        assert line.startswith(f"{beginning}: ")


def test_without_write_it_prints_a_patch_and_changes_nothing(project: Path) -> None:
    before = contents(project)
    result = run(project, ".")
    assert result.returncode == 1
    assert contents(project) == before
    assert_said(result, binding=2)
    assert result.stderr.endswith("4 files to be changed by --write, 7 things left to do by hand\n")


def test_the_patch_is_what_write_does(project: Path) -> None:
    patch = run(project, ".").stdout
    before = contents(project)
    run(project, "--write", ".")
    after = contents(project)
    for name, content in before.items():
        (project / name).write_bytes(content)
    subprocess.run(["git", "apply", "-"], cwd=project, input=patch, check=True, text=True)
    assert contents(project) == after


@pytest.mark.parametrize(
    "text",
    [
        "# coding: latin-1\nfrom channels import Group\nx = 'caf\xe9'\n".encode("latin-1"),
        "from channels import Group\n\f\nx = 'a\u2028b\x85\x1c'\n".encode(),
        b"from channels import Group\r\nx = 1\r\n",
        b"\xef\xbb\xbffrom channels import Group",
    ],
    ids=["another encoding", "other ends of lines", "as on Windows", "a mark and no end"],
)
def test_the_patch_is_in_the_bytes_of_the_file(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(text)
    command = [sys.executable, "-m", "channels_workers_upgrade", "a.py"]
    env = clean_environment() | {"PYTHONPATH": str(ROOT / "upgrade"), "PYTHONIOENCODING": "ascii"}
    made = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True)
    assert made.returncode == 0, made.stderr
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=made.stdout, check=True)
    assert file.read_bytes() == text.replace(b"channels", b"channels_workers")


def test_write_changes_the_files_of_the_project_alone(project: Path) -> None:
    before = contents(project)
    result = run(project, "--write", ".")
    after = contents(project)
    changed = sorted(name for name in after if after[name] != before[name])
    assert changed == [
        "board/consumers.py",
        "board/routing.py",
        "mysite/asgi.py",
        "mysite/settings.py",
    ]
    assert result.returncode == 1
    assert result.stdout == ""
    assert_said(result, binding=3)
    settings = after["mysite/settings.py"].decode()
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in settings
    assert '"channels_workers", "daphne", "django.contrib.staticfiles"' in settings


def test_a_second_run_changes_nothing_and_says_the_same(project: Path) -> None:
    first = run(project, "--write", ".")
    after = contents(project)
    second = run(project, "--write", ".")
    assert contents(project) == after
    assert second.returncode == 1
    assert second.stderr.splitlines()[:-1] == first.stderr.splitlines()[:-1]
    assert run(project, ".").stdout == ""


def test_nothing_is_left_when_all_is_done(project: Path) -> None:
    result = run(project, "--write", "board/routing.py", "mysite/asgi.py")
    assert result.returncode == 0
    assert result.stderr == "2 files changed, 0 things left to do by hand\n"


def test_with_what_the_report_asks_for_django_finds_nothing(project: Path) -> None:
    run(project, "--write", ".")
    consumers = project / "board/consumers.py"
    binding = "from channels.binding.websockets import WebsocketBinding\n"
    consumers.write_text(consumers.read_text().replace(binding, ""))
    assert run(project, "mysite", "board/consumers.py").returncode == 0
    check = python(project, "manage.py", "check", "--fail-level", "WARNING")
    assert check.returncode == 0, check.stderr
    code = "import mysite.asgi as asgi; print(asgi.channel_layer)"
    made = python(project, "-c", code, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert "Interface" in made.stdout, made.stderr


def test_the_apps_in_a_wrong_order_are_reported(project: Path) -> None:
    (project / "mysite/settings.py").write_text(
        'INSTALLED_APPS = ["django.contrib.staticfiles", "daphne", "channels"]\n'
    )
    result = run(project, "mysite/settings.py")
    assert result.returncode == 1
    assert result.stderr.startswith("mysite/settings.py:1: the order of apps: ")


def test_what_the_settings_lack_is_reported(project: Path) -> None:
    (project / "mysite/asgi.py").unlink()
    text = FILES["mysite/settings.py"].replace("INSTALLED_APPS", "OUR_APPS")
    (project / "mysite/settings.py").write_text(text)
    said = run(project, "mysite/settings.py").stderr
    assert 'mysite/settings.py:1: no app "daphne": ' in said
    assert "mysite/settings.py:3: no ASGI_APPLICATION: " in said
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in said


def test_a_path_that_is_not_there_is_wrong_usage(project: Path) -> None:
    result = run(project, "nowhere")
    assert result.returncode == 2
    assert "nowhere is not there" in result.stderr
    assert run(project).returncode == 2


def test_a_file_that_cannot_be_read_is_reported(project: Path) -> None:
    found = Project()
    found.take(project / "gone.py")
    found.take(project / "board/routing.py")
    assert len(found.patches) == 1
    assert [finding.what for _, finding in found.report] == ["cannot be read"]
    assert not is_done(finding for _, finding in found.report)


@pytest.mark.parametrize(
    "expression",
    ["(\n" + "'text'\n" * 500 + ")", " + ".join(["1"] * 3000)],
    ids=["a text of many parts", "a long sum"],
)
def test_a_file_that_cannot_be_moved_is_reported(tmp_path: Path, expression: str) -> None:
    old = "from channels import Group\n"
    (tmp_path / "a.py").write_text(f"{old}x = {expression}\n")
    (tmp_path / "b.py").write_text(old)
    result = run(tmp_path, "--write", ".")
    assert result.returncode == 1
    assert result.stderr.startswith("a.py:1: cannot be moved: ")
    assert (tmp_path / "a.py").read_text().startswith(old)
    assert (tmp_path / "b.py").read_text() == "from channels_workers import Group\n"


def test_a_file_that_cannot_be_written_is_as_before(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    before = contents(project)
    monkeypatch.setattr("shutil.copymode", fail)
    found = Project(write=True)
    found.take(project / "board/consumers.py")
    assert contents(project) == before
    assert not found.patches
    assert [(finding.line, finding.what) for _, finding in found.report] == [
        (1, "cannot be written"),
        (2, "`channels.binding.websockets.WebsocketBinding`"),
    ]


def test_a_written_file_keeps_its_mode_and_its_links(project: Path) -> None:
    routing = project / "board/routing.py"
    routing.chmod(0o751)
    link = project / "routing.py"
    link.symlink_to(routing)
    Project(write=True).take(link)
    assert link.is_symlink()
    assert "channels_workers" in routing.read_text()
    assert routing.stat().st_mode & 0o777 == 0o751


def test_the_name_in_the_engine_starts_the_command(project: Path) -> None:
    by_old_name = python(project, "-m", "channels_workers_upgrade", ".")
    by_new_name = run(project, ".")
    assert by_old_name.returncode == by_new_name.returncode == 1
    assert by_old_name.stdout == by_new_name.stdout
    assert by_old_name.stderr == by_new_name.stderr


def test_nothing_of_the_engine_needs_libcst() -> None:
    package = ROOT / "channels_workers"
    using = {file for file in package.rglob("*.py") if "libcst" in file.read_text()}
    assert using == set()
