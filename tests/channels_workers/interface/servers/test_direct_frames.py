"""Frames go to their socket at once, and not by the queue and the task of a real uvicorn."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import websockets
from uvicorn.config import Config
from uvicorn.server import ServerState

from channels_workers.interface.application import Interface
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.worker import WorkerGroup

pytestmark = pytest.mark.django_db

TIMEOUT = 60
FRAMES = [f"{number}" for number in range(20)]

Serve = Callable[..., Any]


def accept(message: Message) -> None:
    message.reply_channel.send({"accept": True})


def echo(message: Message) -> None:
    message.reply_channel.send({"text": message["text"]})


async def no_pages(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no page is asked for")


@pytest.fixture
async def interface() -> AsyncIterator[Interface]:
    """An interface server whose worker echoes."""
    layer = InMemoryChannelLayer()
    router = Router([route("websocket.connect", accept), route("websocket.receive", echo)])
    worker = WorkerGroup(layer, router=router)
    worker.start()
    interface = Interface(no_pages, lambda: layer)
    yield interface
    await interface.drain()
    worker.stop()
    assert await asyncio.to_thread(worker.join, TIMEOUT)


async def talk(application: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, int]:
    """Send frames to *application* under uvicorn. Return the echoes, and the calls of `receive`."""
    config = Config(application, ws=kind, log_level="error")
    config.load()
    protocol: Any = config.ws_protocol_class
    receive, calls = protocol.receive, []

    async def count(self: Any) -> Any:
        calls.append(self)
        return await receive(self)

    monkeypatch.setattr(protocol, "receive", count)
    state, made = ServerState(), []

    def make() -> Any:
        made.append(protocol(config, state, {}))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(TIMEOUT):
        async with websockets.connect(f"ws://127.0.0.1:{port}/") as client:
            for text in FRAMES[:10]:
                await client.send(text)
            heard = [await client.recv() for _ in FRAMES[:10]]
            for text in FRAMES[10:]:
                await client.send(text)
                heard.append(await client.recv())
            count_now = len(calls)
        while state.tasks:
            await asyncio.gather(*state.tasks)
    server.close()
    await server.wait_closed()
    return heard, count_now


@pytest.mark.parametrize("kind", ["websockets-sansio", "wsproto"])
async def test_no_task_wakes_for_a_frame(
    kind: str, interface: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, calls = await talk(interface, kind, monkeypatch)
    assert heard == FRAMES
    assert calls == 2  # for the handshake, and for the end


@pytest.mark.parametrize("kind", ["websockets-sansio", "wsproto"])
async def test_middleware_around_receive_gets_every_frame(
    kind: str, interface: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def noting() -> Any:
            event = await receive()
            seen.append(event["type"])
            return event

        await interface(scope, noting, send)

    heard, _ = await talk(middleware, kind, monkeypatch)
    assert heard == FRAMES
    names = ["connect", *(["receive"] * len(FRAMES)), "disconnect"]
    assert seen == [f"websocket.{name}" for name in names]
