"""`startworkers` in a project that `django-admin startproject` has just made."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from configparser import RawConfigParser
from pathlib import Path

import pytest
import yaml
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from channels_workers.scaffold.files import PARTS
from labs.harness.ports import free_port
from labs.harness.processes import Processes, clean_environment
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from tests.docs.pages import code, page

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def run(folder: Path, *arguments: str, status: int = 0, **env: str) -> str:
    """The output of a Python program."""
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=clean_environment() | ENVIRONMENT | env,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == status, result.stdout
    return result.stdout


def startworkers(folder: Path, *options: str, status: int = 0, **env: str) -> str:
    return run(folder, "manage.py", "startworkers", *options, status=status, **env)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    run(folder, "-m", "django", "startproject", "my_site", ".")
    file = folder / "my_site" / "settings.py"
    text = file.read_text().replace("APPS = [", 'APPS = [\n    "channels_workers",', 1)
    file.write_text(text)
    return folder


@pytest.fixture
def folder(fresh: Path, tmp_path: Path) -> Path:
    """A project with nothing of the engine but its name in INSTALLED_APPS."""
    return Path(shutil.copytree(fresh, tmp_path / "project"))


def files(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def wanted_settings(output: str) -> str:
    """The lines that the command asks for."""
    [lines] = re.findall(r"^Add to the end of .*:\n\n((?: {4}.*\n)+)", output, re.MULTILINE)
    return textwrap.dedent(lines)


def follow(folder: Path, output: str) -> None:
    """Add them to the settings."""
    with (folder / "my_site" / "settings.py").open("a") as file:
        file.write(wanted_settings(output))


def test_the_command_says_what_it_writes_and_what_is_next(folder: Path) -> None:
    before = set(files(folder))
    output = startworkers(folder)
    written = re.findall(r"^wrote +(.+)$", output, re.MULTILINE)
    assert set(written) == set(files(folder)) - before
    assert "replaced   my_site/asgi.py" in output
    assert os.access(folder / "deploy" / "start", os.X_OK)
    for next_step in ("Add to the end", "runserver", "SECRET_KEY", "docker compose", "/etc/"):
        assert next_step in output.partition("\n\n")[2]


def test_the_page_shows_the_lines_that_the_command_asks_for(folder: Path) -> None:
    shown = page("how-to/start").marked("output", "settings")
    assert wanted_settings(startworkers(folder)) == shown.replace("mysite", "my_site")


def test_the_page_lists_the_parts() -> None:
    rows = page("how-to/start").table("parts")
    assert [code(row[0])[0] for row in rows] == list(PARTS)


def test_the_page_lists_the_variables_that_the_files_read(folder: Path) -> None:
    startworkers(folder)
    production = (folder / "my_site" / "production.py").read_text()
    read = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', production))
    read |= set(re.findall(r"\$\{?([A-Z_]+)", (folder / "Procfile").read_text()))
    rows = page("how-to/start").table("variables")
    assert {name for row in rows for name in code(row[0])} == read | {"DATABASE_URL"}


def test_files_are_for_this_project(folder: Path) -> None:
    parts = [option for part in PARTS for option in ("--part", part)]
    startworkers(folder, *parts, "--place", "/opt/site", "--name", "board")
    new = files(folder)
    for path, text in new.items():
        assert "chat" not in f"{path} {text}", path
        # Prometheus and Grafana have {{ }} of their own.
        unfilled = "@[a-z]+@" if path.startswith("deploy/monitoring/") else r"\{\{|\{%"
        assert not re.search(unfilled, text), path
    unit = RawConfigParser(strict=False)
    unit.read_string(new["deploy/systemd/board-worker.service"])
    assert unit["Service"]["ExecStart"] == "/opt/site/deploy/start worker"
    assert "COPY my_site my_site\n" in new["Dockerfile"]
    assert "!my_site\n" in new[".dockerignore"]
    for path, text in new.items():
        if path.endswith(".yaml"):
            assert list(yaml.safe_load_all(text))
    services = yaml.safe_load(new["compose.yaml"])["services"]
    assert services["web"]["environment"]["DJANGO_SETTINGS_MODULE"] == "my_site.production"


def test_folders_of_the_project_get_into_the_image(folder: Path) -> None:
    run(folder, "manage.py", "startapp", "board")
    for name in ("templates", "pictures"):
        (folder / name).mkdir()
    with (folder / "my_site" / "settings.py").open("a") as file:
        file.write(
            "INSTALLED_APPS.append('board')\n"
            "TEMPLATES[0]['DIRS'] = [BASE_DIR / 'templates', BASE_DIR / 'missing']\n"
            "STATICFILES_DIRS = [('pictures', BASE_DIR / 'pictures'), '/usr/share/none']\n"
        )
    startworkers(folder, "--part", "compose")
    copied = re.findall(r"^COPY (\w+) \1$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    assert copied == ["board", "my_site", "pictures", "templates"]


def test_a_part_comes_with_what_it_needs(folder: Path) -> None:
    output = startworkers(folder, "--part", "kubernetes")
    assert {"Procfile", "deploy/start", "Dockerfile", "deploy/kubernetes/web.yaml"} <= set(
        files(folder)
    )
    assert "asgi.py" not in output.partition("Add to")[0]


# What exists


def test_nothing_is_overwritten(folder: Path) -> None:
    (folder / "my_site" / "asgi.py").write_text("application = 'mine'\n")
    (folder / "Procfile").write_text("web: mine\n")
    (folder / "compose.yaml").symlink_to(folder / "elsewhere.yaml")
    output = startworkers(folder)
    for path in ("my_site/asgi.py", "Procfile", "compose.yaml"):
        assert f"kept       {path}: it exists, and --force overwrites it" in output
    assert "Compare what was kept" in output
    assert (folder / "my_site" / "asgi.py").read_text() == "application = 'mine'\n"
    assert (folder / "Procfile").read_text() == "web: mine\n"
    assert not (folder / "elsewhere.yaml").exists()
    output = startworkers(folder, "--force")
    assert "replaced   Procfile" in output
    assert "get_application" in (folder / "my_site" / "asgi.py").read_text()


def test_a_broken_asgi_is_kept(folder: Path) -> None:
    (folder / "my_site" / "asgi.py").write_text("not a program\n")
    assert "kept       my_site/asgi.py" in startworkers(folder)


def test_a_second_run_changes_nothing(folder: Path) -> None:
    follow(folder, startworkers(folder))
    before = files(folder)
    output = startworkers(folder)
    assert "wrote" not in output
    assert "kept" not in output
    assert "Add to the end of the settings" not in output
    assert files(folder) == before


def test_settings_of_production_extend_those_of_development(folder: Path) -> None:
    follow(folder, startworkers(folder))
    before = files(folder)
    env = {"DJANGO_SETTINGS_MODULE": "my_site.production", "SECRET_KEY": "for this test"}
    startworkers(folder, "--force", **env)
    assert files(folder) == before


# What is refused


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--name", "My_Site"], "--name mysite"),
        (["--name", "a" * 32], "not longer than 31"),
        (["--place", "srv/site"], "absolute path"),
        (["--place", "/srv/my site"], "absolute path"),
        (["--package", "missing"], "'missing' is none. Name it: --package mysite"),
        (["--package", "json"], "'json' is none"),
        (["--part", "podman"], "invalid choice: 'podman'"),
    ],
)
def test_what_fits_no_system_is_refused(options: list[str], expected: str, folder: Path) -> None:
    before = files(folder)
    status = 2 if "--part" in options else 1
    assert expected in " ".join(startworkers(folder, *options, status=status).split())
    assert files(folder) == before


# It works


def test_the_project_works_in_development(folder: Path, start_process: Processes) -> None:
    follow(folder, startworkers(folder))
    assert "no issues" in run(folder, "manage.py", "check", "--fail-level", "WARNING")
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
    process = start_process(command, name="runserver", cwd=folder, env=ENVIRONMENT)
    assert_people_talk(Server(port, process.wait_until_listening(port)))


def assert_people_talk(server: Server) -> None:
    where, origin = f"{server.socket_url}/ws/", Origin(server.url)
    with (
        connect(where, origin=origin, open_timeout=60) as ann,
        connect(where, origin=origin, open_timeout=60) as bob,
    ):
        ann.send("hello")
        assert [ann.recv(60), bob.recv(60)] == ["hello"] * 2
    for other, other_origin in ((f"{server.socket_url}/x/", origin), (where, Origin("http://x"))):
        with (
            pytest.raises(InvalidStatus),
            connect(other, origin=other_origin, open_timeout=60),
        ):
            pass


def test_the_project_works_in_production(
    folder: Path, start_process: Processes, redis_server: RedisServer, tmp_path: Path
) -> None:
    follow(folder, startworkers(folder))
    port = free_port()
    env = ENVIRONMENT | {
        "DJANGO_SETTINGS_MODULE": "my_site.production",
        "SECRET_KEY": "a secret key for this test, which is as long as production needs it",
        "ALLOWED_HOSTS": "127.0.0.1",
        "REDIS_URL": redis_server.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'production.sqlite3'}",
        "BIND": "127.0.0.1",
        "PORT": str(port),
        "LOAD_PATH": "/load",
    }
    output = run(folder, "manage.py", "check", "--deploy", "--fail-level", "ERROR", **env)
    assert "channels_workers." not in output
    run(folder, "manage.py", "collectstatic", "--noinput", **env)
    start = str(folder / "deploy" / "start")
    assert start_process([start, "release"], cwd=folder, env=env).wait() == 0
    both = {**env, "WORKER_CONCURRENCY": "2"}
    worker = start_process([start, "worker"], name="worker", cwd=folder, env=both)
    worker.wait_for_line("All 2 worker processes are ready$")
    process = start_process([start, "web"], name="web", cwd=folder, env=env)
    server = Server(port, process.wait_until_listening(port))
    status, checks = server.probe("/readyz")
    assert (status, set(checks.values())) == (200, {"ok"})
    assert json.loads(server.get("/load"))["workers"] == 2
    assert_people_talk(server)
    assert worker.terminate() == 0
