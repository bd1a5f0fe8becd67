"""The scripts that people start."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from labs.harness.processes import Processes, clean_environment
from labs.harness.project import ROOT
from labs.harness.server import Server

# The basic programs of a bare machine.
BARE_PROGRAMS = ("bash", "cat", "cksum", "dirname", "env", "id")


@pytest.fixture
def copied_scripts(tmp_path: Path) -> Path:
    """The scripts in a separate project without a virtual environment."""
    folder = tmp_path / "a project" / "scripts"
    shutil.copytree(ROOT / "scripts", folder)
    return folder


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH without Python, package manager, Redis and browser."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BARE_PROGRAMS:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return str(folder)


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd="/",
        env=clean_environment() | env,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("port", ["", "0", "65536", "100000000", "-1", "80a", "http", "1 2"])
def test_run_refuses_an_invalid_port(port: str) -> None:
    result = run(ROOT / "scripts" / "run", port)
    assert result.returncode == 1
    assert f"'{port}' is no port. Usage: scripts/run [PORT]" in result.stderr


def test_run_refuses_a_second_argument() -> None:
    result = run(ROOT / "scripts" / "run", "8000", "8001")
    assert result.returncode == 1
    assert result.stderr.startswith("Usage: scripts/run [PORT]")


def test_run_refuses_a_port_that_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run(ROOT / "scripts" / "run", str(port))
    assert result.returncode == 1
    assert f"Port {port} is in use" in result.stderr


def test_run_without_python_says_what_to_install(copied_scripts: Path, bare_path: str) -> None:
    result = run(copied_scripts / "run", PATH=bare_path)
    assert result.returncode == 1
    assert "Python 3.11, 3.12, 3.13 or 3.14 is needed" in result.stderr
    assert "apt-get install python3 python3-venv" in result.stderr


def test_a_python_that_is_too_old_is_skipped(copied_scripts: Path, bare_path: str) -> None:
    old = Path(bare_path) / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = run(copied_scripts / "run", PATH=bare_path)
    assert result.returncode == 1
    assert "Python 3.11, 3.12, 3.13 or 3.14 is needed" in result.stderr


def test_a_linked_environment_is_not_cleared(copied_scripts: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    (copied_scripts.parent / ".venv").symlink_to(other)
    result = run(copied_scripts / "run")
    assert result.returncode == 1
    assert ".venv is a link. Remove it" in result.stderr
    assert (other / "kept").exists()


def test_tests_without_redis_say_what_to_install(copied_scripts: Path, bare_path: str) -> None:
    code = 'scripts=$1; . "$scripts/environment.sh"; . "$scripts/tools.sh"; require_tools'
    result = run("bash", "-euc", code, "bash", copied_scripts, PATH=bare_path)
    assert result.returncode == 1
    assert "The tests need redis-server on the PATH" in result.stderr


def test_tests_without_git_say_what_to_install(copied_scripts: Path, bare_path: str) -> None:
    (Path(bare_path) / "redis-server").symlink_to("/bin/true")
    code = 'scripts=$1; . "$scripts/environment.sh"; . "$scripts/tools.sh"; require_tools'
    result = run("bash", "-euc", code, "bash", copied_scripts, PATH=bare_path)
    assert result.returncode == 1
    assert "The tests need git on the PATH" in result.stderr


@pytest.mark.parametrize("wanted", ["postgres", "nginx"])
def test_the_rehearsal_says_which_service_to_install(
    wanted: str, copied_scripts: Path, bare_path: str
) -> None:
    """Programs outside of the PATH count too, so each test hides them."""
    has = "; ".join(
        f"has_{name}() {{ {'false' if name == wanted else 'true'}; }}"
        for name in ("redis", "git", "postgres", "nginx")
    )
    sources = 'scripts=$1; for name in environment tools services; do . "$scripts/$name.sh"; done'
    code = f"{sources}; {has}; require_services"
    result = run("bash", "-euc", code, "bash", copied_scripts, PATH=bare_path)
    assert result.returncode == 1
    assert result.stderr.startswith("The rehearsal needs")
    assert {"postgres": "PostgreSQL"}.get(wanted, wanted) in result.stderr


def test_tests_without_nginx_say_what_to_install(copied_scripts: Path, bare_path: str) -> None:
    for name in ("redis-server", "git"):
        (Path(bare_path) / name).symlink_to("/bin/true")
    # Debian's directory of nginx is searched too, and may contain one.
    code = 'scripts=$1; . "$scripts/environment.sh"; . "$scripts/tools.sh"; PATH=$2; require_tools'
    result = run("bash", "-euc", code, "bash", copied_scripts, bare_path, PATH=bare_path)
    assert result.returncode == 1
    assert "The tests need nginx on the PATH" in result.stderr


@pytest.mark.parametrize(
    ("found", "missing", "text"),
    [
        ("redis git nginx", "postgres", "The tests need PostgreSQL"),
        (
            *("redis git nginx postgres", "prometheus"),
            "The tests need prometheus and promtool on the PATH",
        ),
        (
            *("redis git nginx postgres prometheus", "model_checker"),
            "The tests need spin and gcc on the PATH",
        ),
    ],
)
def test_tests_without_a_tool_say_what_to_install(
    found: str, missing: str, text: str, copied_scripts: Path, bare_path: str
) -> None:
    stubs = [f"has_{name}() {{ true; }}" for name in found.split()]
    stubs.append(f"has_{missing}() {{ false; }}")
    load = 'scripts=$1; . "$scripts/environment.sh"; . "$scripts/tools.sh"'
    code = "; ".join([load, *stubs, "require_tools"])
    result = run("bash", "-euc", code, "bash", copied_scripts, PATH=bare_path)
    assert result.returncode == 1
    assert text in result.stderr


def test_run_serves_the_chat_until_it_is_stopped(
    start_process: Processes, free_port: Callable[[], int], database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    command = [str(ROOT / "scripts" / "run"), str(port)]
    process = start_process(command, env={"DATABASE_URL": database_url}, cwd=tmp_path)
    process.wait_for_line(rf"The chat is at http://127\.0\.0\.1:{port}/")
    server = Server(port, process.wait_until_listening(port))
    with server.join("lobby") as ann:
        ann.say("hello")
        assert ann.hear()["message"] == "hello"
    os.killpg(process.pid, signal.SIGINT)
    process.wait()
