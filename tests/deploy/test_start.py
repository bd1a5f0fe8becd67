"""deploy/start, with which containers and supervisors start the processes of the Procfile."""

from pathlib import Path

import pytest

from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from labs.harness.server import Server

START = str(ROOT / "deploy" / "start")


def arguments_of(process: Process) -> list[str]:
    """The current command line of the process, according to the system."""
    return Path(f"/proc/{process.pid}/cmdline").read_text().rstrip("\0").split("\0")


def test_web_and_worker_replace_the_shell_and_stop_gracefully(
    start_process: Processes, chat_environment: dict[str, str], tmp_path: Path
) -> None:
    env = {**chat_environment, "PORT": str(free_port()), "BIND": "127.0.0.1"}
    worker = start_process([START, "worker"], name="worker", env=env, cwd=tmp_path)
    web = start_process([START, "web"], name="web", env=env, cwd=tmp_path)
    server = Server(int(env["PORT"]), web.wait_until_listening(int(env["PORT"])))
    with server.join("lobby") as ann:
        ann.say("hello")
        assert ann.hear()["message"] == "hello"
        written = read_procfile()["web"].replace("$PORT", env["PORT"])
        program, *arguments = written.replace("${BIND:-0.0.0.0}", env["BIND"]).split()
        _python, script, *found = arguments_of(web)
        assert (Path(script).name, found) == (program, arguments)
        assert arguments_of(worker) == ["python", "manage.py", "runworker", "--threads", "4"]
    for process in (web, worker):
        assert process.terminate() == 0, process.describe()


def test_release_runs_migrations(start_process: Processes, tmp_path: Path) -> None:
    env = {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}"}
    assert start_process([START, "release"], env=env).wait() == 0
    check = ["python", "manage.py", "migrate", "--check"]
    assert start_process(check, env=env).wait() == 0


@pytest.mark.parametrize("given", [[], [""], ["clock"], ["w.*"], ["web", "worker"]])
def test_a_wrong_argument_is_refused_with_the_expected_ones(
    given: list[str], start_process: Processes
) -> None:
    process = start_process([START, *given])
    assert process.wait() == 2
    types = " ".join(read_procfile())
    assert process.output == (
        f"deploy/start expects one of the types of the Procfile, {types}, "
        f"and got '{' '.join(given)}'."
    )
