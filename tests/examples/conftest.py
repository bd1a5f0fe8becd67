"""Shared by the tests of the examples."""

from collections.abc import Callable, Iterator, Mapping
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
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for

COMMANDS = {
    "daphne": ["daphne", "--bind", "127.0.0.1", "--port"],
    # `--lifespan on` ends the server if the application does not answer.
    "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--lifespan", "on", "--port"],
}

SERVERS = tuple(COMMANDS)

StartExample = Callable[..., Server]
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


@pytest.fixture
def start_example(
    start_process: Processes, redis_server: RedisServer, chat_environment: dict[str, str]
) -> Iterator[StartExample]:
    """`start_example("daphne", "examples.asgi")` starts an application on the test's Redis.

    The teardown waits until its sockets have left all groups. This also ensures that no sync
    consumer waits for the event loop at SIGTERM, which would keep Daphne from exiting on any layer.
    """

    def start(
        kind: str, module: str = "examples.asgi", env: Mapping[str, str] = MappingProxyType({})
    ) -> Server:
        port = free_port()
        command = [*COMMANDS[kind], str(port), f"{module}:application"]
        process = start_process(command, name=kind, env={**chat_environment, **env})
        return Server(port, process.wait_until_listening(port))

    yield start
    with redis_server.client() as client:
        wait_for(lambda: not client.keys("*:group:*"), "the groups to be empty")


@pytest.fixture
def run_shell(start_process: Processes, chat_environment: dict[str, str]) -> RunShell:
    """`run_shell(code)` runs code in `manage.py shell -c`, with warnings as errors.

    Fails if the exit status is not 0.
    """

    def run(code: str, **env: Any) -> Process:
        command = ["python", "-X", "dev", "-W", "error", "manage.py", "shell"]
        command += ["--no-imports", "-c", code]
        process = start_process(command, name="shell", env=chat_environment | env)
        assert process.wait() == 0, process.describe()
        return process

    return run
