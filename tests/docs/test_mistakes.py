"""What docs/reference/mistakes.md says about mistakes is what real processes say."""

import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.docs.pages import code, page

SETTINGS = "tests.processes.mistakes"
PAGE = page("reference/mistakes")

#: The environment of `check` for each row of the first table.
CHECKS = {
    "a channel `websocket.recieve` in the routing": {"ROUTING": "misspelled"},
    "a path filter without a slash in front": {"ROUTING": "slashless"},
    "a route behind one that takes all its messages": {"ROUTING": "hidden"},
    "a consumer that is a class of your own": {"ROUTING": "plain_class"},
    "a consumer with `yield`": {"ROUTING": "generators"},
    "a consumer that does not take a named group of its route": {"ROUTING": "group_not_taken"},
    "`INSTALLED_APPS` in the wrong order": {"CHANGE": "order"},
    "no `CHANNEL_ROUTING`": {"CHANGE": "no routing"},
    "a misspelled key in `CHANNEL_WORKERS`": {"CHANGE": "setting"},
    "an address of Redis that is none": {"REDIS_URL": "http://127.0.0.1:6379"},
}

#: The path of the socket for each row of the second table.
PATHS = {
    '`Channel("tpyo").send(...)`': "tpyo",
    'a reply with a wrong key, `{"txt": ...}`': "wrong_key",
    "a reply whose `text` is a dict": "wrong_type",
    "a close code such as 70000": "wrong_code",
    "a reply that is returned in place of sent": "returning",
    "`asend(...)` without `await`": "not_awaited",
    "a connect consumer that returns without an answer": "no_answer",
    "a connect consumer that raises": "raises",
    "a receive consumer that raises": "broken",
    "a session without its decorator": "without_session",
    "a blocking call in an `async def` consumer": "blocking",
    "a consumer that never returns": "slow",
    "an illegal name of a group": "wrong_group",
    "content that cannot be encoded": "not_encodable",
    "a path that no route takes": "nowhere",
    "a page of another origin": "guarded",
    "a client without an `Origin` header": "guarded",
    "a frame larger than `FRAME_SIZE`": "silent",
}

ORIGINS = {
    "a page of another origin": Origin("http://evil.example"),
    "a client without an `Origin` header": None,
}

Run = Callable[..., Process]


def rows(name: str) -> list[list[str]]:
    return PAGE.table(f"mistakes-{name}")


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    started = Processes(tmp_path_factory.mktemp("mistakes"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def runserver(processes: Processes) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]
    process = processes(command, name="runserver", env={"DJANGO_SETTINGS_MODULE": SETTINGS})
    return Server(port, process.wait_until_listening(port))


@pytest.mark.parametrize("row", rows("checks"), ids=lambda row: row[0])
def test_checks(row: list[str], start_process: Processes) -> None:
    mistake, check, text = row
    environment = {"DJANGO_SETTINGS_MODULE": SETTINGS, **CHECKS[mistake]}
    process = start_process([sys.executable, "-m", "django", "check"], env=environment)
    assert process.wait() == check.startswith("E")
    assert f"channels_workers.{check}" in process.output
    assert code(text)[0] in process.output


@pytest.mark.parametrize("row", rows("consumers"), ids=lambda row: row[0])
def test_consumers(row: list[str], runserver: Server) -> None:
    mistake, _, text, client = row
    assert seen_by_client(mistake, runserver) == client.partition(";")[0]
    process = runserver.process
    wait_for(lambda: code(text)[0] in process.output, process.describe)


def seen_by_client(mistake: str, server: Server) -> str:
    """What the client sees, in the words of the page, until its mistake is over."""
    url = f"ws://127.0.0.1:{server.port}/{PATHS[mistake]}/"
    origin = ORIGINS.get(mistake, Origin(f"http://127.0.0.1:{server.port}"))
    try:
        with connect(url, origin=origin, proxy=None, open_timeout=60, max_size=None) as socket:
            if mistake == "a path that no route takes":
                return "the socket opens"
            socket.send("x" * 300_000 if "larger" in mistake else "hi")
            with pytest.raises(TimeoutError):
                socket.recv(timeout=1)
            return "nothing"
    except InvalidStatus as error:
        return str(error.response.status_code)
    except ConnectionClosed as error:
        return f"close {error.rcvd.code if error.rcvd else 1006}"


@pytest.fixture
def run(start_process: Processes, tmp_path: Path) -> Run:
    """`run(module, *arguments, **environment)` starts a command in an empty folder."""
    folder = tmp_path / "site"
    folder.mkdir()

    def started(*command: str, **environment: str) -> Process:
        settings = {"DJANGO_SETTINGS_MODULE": SETTINGS, "PYTHONPATH": f"{folder}:{ROOT}"}
        command = (sys.executable, "-m", *command)
        return start_process(command, env=settings | environment, cwd=folder)

    return started


def serve(run: Run, **environment: str) -> Server:
    port = free_port()
    application = "tests.processes.mistakes_asgi:application"
    process = run("daphne", "-v", "0", "-p", str(port), application, **environment)
    return Server(port, process.wait_until_listening(port))


def no_worker(run: Run, redis: RedisServer) -> Process:
    return visited(serve(run, REDIS_URL=redis.url))


def server_in_memory(run: Run, redis: RedisServer) -> Process:
    return visited(serve(run))


def worker_in_memory(run: Run, redis: RedisServer) -> Process:
    return ended(run("django", "runworker"))


def redis_away(run: Run, redis: RedisServer) -> Process:
    return run("django", "runworker", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")


def wrong_password(run: Run, redis: RedisServer) -> Process:
    with redis.client() as client:
        client.config_set("requirepass", secrets.token_urlsafe())
        try:
            return ended(run("django", "runworker", REDIS_URL=redis.url))
        finally:
            client.config_set("requirepass", "")


def no_address(run: Run, redis: RedisServer) -> Process:
    server = serve(run, REDIS_URL="http://127.0.0.1:6379")
    server.process.wait_for_line("The channel layer cannot be used")  # before it handles signals
    server.process.terminate()
    assert server.process.output.count("Traceback") == 1
    return server.process


def no_app(run: Run, redis: RedisServer) -> Process:
    return serve(run, CHANGE="no app").process


def no_secret_key(run: Run, redis: RedisServer) -> Process:
    for command in (
        ("startproject", "mysite", "."),
        ("startworkers", "--part", "code", "--package", "mysite"),
    ):
        process = run("django", *command, DJANGO_SETTINGS_MODULE=SETTINGS)
        assert process.wait() == 0, process.describe()
    return ended(run("django", "check", DJANGO_SETTINGS_MODULE="mysite.production"))


PROCESSES = {
    "no worker runs": no_worker,
    "an interface server with the layer in memory": server_in_memory,
    "`runworker` with the layer in memory": worker_in_memory,
    "Redis is away, or its port is wrong": redis_away,
    "a wrong password for Redis": wrong_password,
    "an interface server with an address of Redis that is none": no_address,
    "an interface server whose `INSTALLED_APPS` lacks `channels_workers`": no_app,
    "production without `SECRET_KEY`": no_secret_key,
}


def ended(process: Process) -> Process:
    assert process.wait() == 1, process.describe()
    return process


def visited(server: Server) -> Process:
    """Its process, after a handshake that fails."""
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(f"{server.socket_url}/silent/", proxy=None, open_timeout=60),
    ):
        pass
    assert caught.value.response.status_code == 403
    return server.process


@pytest.mark.parametrize("row", rows("processes"), ids=lambda row: row[0])
def test_processes(row: list[str], run: Run, redis_server: RedisServer) -> None:
    mistake, says, text = row
    process = PROCESSES[mistake](run, redis_server)
    wait_for(lambda: code(text)[0] in process.output, process.describe)
    if says[:4].startswith("E0"):
        assert f"channels_workers.{says[:4]}" in process.output
