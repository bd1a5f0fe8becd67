"""What the tests of the examples share."""

from collections.abc import Callable, Iterator
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


def open_socket(server: Server, path: str, origin: str | None = "same") -> ClientConnection:
    """A socket as a page of the server's own site opens it, or one of another origin, or none."""
    origin = server.url if origin == "same" else origin
    return connect(server.socket_url + path, origin=Origin(origin) if origin else None)


@pytest.fixture
def memory_layer(settings: Settings) -> InMemoryChannelLayer:
    """The channel layer of this process, new for the test."""
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    layer = channel_layers["default"]
    assert isinstance(layer, InMemoryChannelLayer)
    return layer


@pytest.fixture
def start_example(
    start_process: Processes, redis_server: RedisServer, chat_environment: dict[str, str]
) -> Iterator[StartExample]:
    """`start_example("daphne", "examples.asgi")` starts an application on the Redis of the test.

    The end of the test waits until its sockets have left all groups. That shows that they do; and a
    sync consumer that still waits for the event loop when SIGTERM stops it would keep Daphne from
    ending, whatever the layer.
    """

    def start(kind: str, module: str = "examples.asgi") -> Server:
        port = free_port()
        command = [*COMMANDS[kind], str(port), f"{module}:application"]
        process = start_process(command, name=kind, env=chat_environment)
        return Server(port, process.wait_until_listening(port))

    yield start
    with redis_server.client() as client:
        wait_for(lambda: not client.keys("*:group:*"), "the groups to be empty")


@pytest.fixture
def run_shell(start_process: Processes, chat_environment: dict[str, str]) -> RunShell:
    """`run_shell(code)` runs code in `manage.py shell -c`, with every warning an error.

    Fails unless it ends with status 0.
    """

    def run(code: str, **env: Any) -> Process:
        command = ["python", "-X", "dev", "-W", "error", "manage.py", "shell"]
        command += ["--no-imports", "-c", code]
        process = start_process(command, name="shell", env=chat_environment | env)
        assert process.wait() == 0, process.describe()
        return process

    return run
