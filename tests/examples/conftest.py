"""Shared by the tests of the examples: one Redis, one database, and most servers.

chat_environment
    That Redis and that database, for the processes of a test too. Nothing is removed between tests,
    so each uses rooms of its own.
shared_example
    `shared_example("daphne", "examples.asgi")` returns a server that runs until the session ends.
shared_worker
    A worker for all of them.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from channels.layers import channel_layers
from pytest_django import Settings
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from channels_workers.layers.memory import InMemoryChannelLayer
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.procfile import shell_command
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.site import WORKER_READY
from labs.harness.waiting import wait_for
from tests.conftest import PATIENT

COMMANDS = {
    "daphne": ["daphne", "--bind", "127.0.0.1", "--port"],
    # `--lifespan on` ends the server if the application does not answer.
    "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--lifespan", "on", "--port"],
}

SERVERS = tuple(COMMANDS)

#: In development mode asyncio warns of callbacks that take 0.1 s, as many do on a slow machine.
QUIETLY = 'import logging; logging.getLogger("asyncio").setLevel("ERROR")\n'

StartExample = Callable[..., Server]
SharedExample = Callable[..., Server]
RunShell = Callable[..., Process]


def open_socket(
    server: Server, path: str, origin: str | None = "same", cookie: str = ""
) -> ClientConnection:
    """A socket as opened by a page of this site, of another site, or without an origin."""
    origin = server.url if origin == "same" else origin
    return connect(
        server.socket_url + path,
        open_timeout=60,
        origin=Origin(origin) if origin else None,
        additional_headers={"Cookie": cookie} if cookie else {},
    )


@pytest.fixture
def memory_layer(settings: Settings) -> InMemoryChannelLayer:
    """The channel layer of this process, new for each test."""
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    layer = channel_layers["default"]
    assert isinstance(layer, InMemoryChannelLayer)
    return layer


@pytest.fixture(scope="session")
def redis_of_examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def environment_of_examples(
    redis_of_examples: RedisServer,
    migrated_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    file = tmp_path_factory.mktemp("examples") / "chat.sqlite3"
    shutil.copy(migrated_database, file)
    urls = {"REDIS_URL": redis_of_examples.url, "DATABASE_URL": f"sqlite:///{file}"}
    return {**urls, "CHAT_RATE_LIMIT": "0", **PATIENT}


@pytest.fixture
def chat_environment(environment_of_examples: dict[str, str]) -> dict[str, str]:
    return environment_of_examples


@pytest.fixture(scope="session")
def shared_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    started = Processes(tmp_path_factory.mktemp("processes"))
    yield started
    started.stop()


def start_server(
    start: Processes, kind: str, module: str, environment: Mapping[str, str]
) -> Server:
    port = free_port()
    command = [*COMMANDS[kind], str(port), f"{module}:application"]
    process = start(command, name=kind, env=environment)
    return Server(port, process.wait_until_listening(port))


@pytest.fixture(scope="session")
def shared_example(
    shared_processes: Processes, environment_of_examples: dict[str, str]
) -> SharedExample:
    @cache
    def shared(kind: str, module: str = "examples.asgi") -> Server:
        return start_server(shared_processes, kind, module, environment_of_examples)

    return shared


@pytest.fixture(scope="session")
def shared_worker(shared_processes: Processes, environment_of_examples: dict[str, str]) -> Process:
    command = shell_command("worker")
    process = shared_processes(command, name="worker", env=environment_of_examples)
    process.wait_for_line(WORKER_READY)
    return process


@pytest.fixture
def start_example(
    start_process: Processes, redis_of_examples: RedisServer, chat_environment: dict[str, str]
) -> Iterator[StartExample]:
    """`start_example("daphne", "examples.asgi")` starts an application for one test.

    The teardown waits until its sockets have left all groups. This also ensures that no sync
    consumer waits for the event loop at SIGTERM, which would keep Daphne from exiting on any layer.
    """

    def start(
        kind: str, module: str = "examples.asgi", env: Mapping[str, str] = MappingProxyType({})
    ) -> Server:
        return start_server(start_process, kind, module, {**chat_environment, **env})

    yield start
    with redis_of_examples.client() as client:
        wait_for(lambda: not client.keys("*:group:*"), "the groups to be empty")


@pytest.fixture
def run_shell(start_process: Processes, chat_environment: dict[str, str]) -> RunShell:
    """`run_shell(code)` runs code in `manage.py shell -c`, with warnings as errors.

    Fails if the exit status is not 0.
    """

    def run(code: str, **env: Any) -> Process:
        command = ["python", "-X", "dev", "-W", "error", "manage.py", "shell"]
        command += ["--no-imports", "-c", QUIETLY + code]
        process = start_process(command, name="shell", env=chat_environment | env)
        assert process.wait() == 0, process.describe()
        return process

    return run
