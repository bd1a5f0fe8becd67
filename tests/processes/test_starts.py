"""Each way to start servers registers one server per process, and logs it."""

import json
from collections.abc import Callable

import pytest
from websockets.sync.client import connect

from channels_workers.layers.base import FORMAT_VERSION
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker

PREFIX = f"chat:{FORMAT_VERSION}:"

ECHO = {"DJANGO_SETTINGS_MODULE": "tests.processes.echo"}
APPLICATION = "chat_project.asgi:application"
GUNICORN = ("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "--no-control-socket")

#: Commands by name: how they get the port, and how many processes serve.
PROGRAMS: dict[str, tuple[Callable[[int], list[str]], int]] = {
    "daphne": (lambda port: ["daphne", "-p", f"{port}", APPLICATION], 1),
    "uvicorn": (lambda port: ["uvicorn", "--port", f"{port}", APPLICATION], 1),
    "uvicorn with 2 processes": (
        lambda port: ["uvicorn", "--workers", "2", "--port", f"{port}", APPLICATION],
        2,
    ),
    "gunicorn": (lambda port: [*GUNICORN, "-w", "1", "-b", f"127.0.0.1:{port}", APPLICATION], 1),
    "gunicorn with 2 processes that is loaded before it forks": (
        lambda port: [*GUNICORN, "--preload", "-w", "2", "-b", f"127.0.0.1:{port}", APPLICATION],
        2,
    ),
}


def servers(redis_server: RedisServer) -> set[str]:
    """The registered servers."""
    with redis_server.client() as client, client.pipeline(transaction=True) as pipeline:
        pipeline.hkeys(f"{PREFIX}processes")
        pipeline.hgetall(f"{PREFIX}process_info")
        known, about = pipeline.execute()
    return {name.decode() for name in known if json.loads(about[name])["kind"] == "server"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_process_registers_one_server_until_it_exits(
    program: str,
    start_process: Processes,
    start_worker: StartWorker,
    chat_environment: dict[str, str],
    redis_server: RedisServer,
) -> None:
    command, count = PROGRAMS[program]
    port = free_port()
    process = start_process(command(port), env=chat_environment | ECHO)
    web = Server(port, process.wait_until_listening(port))
    wait_for(lambda: len(servers(redis_server)) == count, process.describe)
    known = servers(redis_server)
    start_worker(env=ECHO)
    for _ in range(4):
        with connect(f"{web.socket_url}/a/", open_timeout=60) as socket:
            socket.send("hello")
            assert socket.recv(60) == "hello"
    assert servers(redis_server) == known
    process.terminate()
    assert servers(redis_server) == set()


def told(process: Process, event: str) -> dict[str, str]:
    """The log line of *event*."""

    def found() -> dict[str, str] | None:
        lines = [json.loads(line) for line in process.output.splitlines() if line[:1] == "{"]
        return next((line for line in lines if line.get("event") == event), None)

    line = wait_for(found, lambda: f"{event}. {process.describe()}")
    assert line is not None
    return line


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
def test_a_server_logs_its_layer_at_startup(
    program: str, start_web: StartWeb, redis_server: RedisServer
) -> None:
    """Before the first client: Daphne does not call its application earlier."""
    web = start_web(program, env={"LOG_FORMAT": "json"})
    assert redis_server.url in told(web.process, "server_starts")["message"]


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
def test_a_server_without_redis_logs_it_at_startup_and_recovers(
    program: str, start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    redis_server.stop()
    web = start_web(program, env={"LOG_FORMAT": "json"} | ECHO)
    assert "does not answer" in told(web.process, "layer_lost")["message"]
    redis_server.start()
    start_worker(env=ECHO)
    with connect(f"{web.socket_url}/a/", open_timeout=60) as socket:
        socket.send("hello")
        assert socket.recv(60) == "hello"
    assert len(servers(redis_server)) == 1
