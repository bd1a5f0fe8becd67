"""An application without any library: `/ws/ping/`."""

import asyncio
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from examples.ping import ping
from tests.examples.conftest import SERVERS, SharedExample, StartExample

MODULES = ("examples.asgi", "examples.plain")


async def run_ping(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """What the coroutine sends. It ends with the last event."""
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for event in events:
        incoming.put_nowait(event)
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    async with asyncio.timeout(60):
        await ping({"type": "websocket", "path": "/ws/ping/"}, incoming.get, send)
    assert incoming.empty()
    return sent


async def test_it_accepts_answers_ping_and_ends_on_disconnect() -> None:
    sent = await run_ping(
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "ping"},
        {"type": "websocket.disconnect", "code": 1000},
    )
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "pong!"}]


async def test_it_answers_nothing_else() -> None:
    sent = await run_ping(
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "pong"},
        {"type": "websocket.receive", "bytes": b"ping"},
        {"type": "websocket.receive", "text": None, "bytes": b"ping"},
        {"type": "websocket.disconnect", "code": 1006},
    )
    assert sent == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("kind", SERVERS)
def test_under_a_server(kind: str, module: str, start_example: StartExample) -> None:
    server = start_example(kind, module)
    for _ in range(2):
        with connect(f"{server.socket_url}/ws/ping/", open_timeout=60) as socket:
            socket.send("hello")
            socket.send(b"ping")
            socket.send("ping")
            assert socket.recv(60) == "pong!"
    assert server.process.terminate() in (0, -15)
    assert "Traceback" not in server.process.output, server.process.describe()


@pytest.mark.parametrize("kind", SERVERS)
def test_the_plain_application_refuses_other_paths(
    kind: str, shared_example: SharedExample
) -> None:
    server = shared_example(kind, "examples.plain")
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"{server.socket_url}/chat/lobby/", open_timeout=60)
    with connect(f"{server.socket_url}/ws/ping/", open_timeout=60) as socket:
        socket.send("ping")
        assert socket.recv(60) == "pong!"
