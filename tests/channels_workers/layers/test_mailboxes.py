"""Channels of class-based consumers end with their consumers, however these end."""

import asyncio
import gc
from collections.abc import Callable

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator

from channels_workers.layers.memory import InMemoryChannelLayer

# Consumers of Channels look after the database's connections.
pytestmark = pytest.mark.django_db

TIMEOUT = 10


class Failing(AsyncWebsocketConsumer):  # type: ignore[misc]
    groups = ("room",)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        raise RuntimeError("it fails")


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            gc.collect()
            await asyncio.sleep(0)


async def test_a_consumer_that_failed_is_in_no_group(memory_layer: InMemoryChannelLayer) -> None:
    socket = WebsocketCommunicator(Failing.as_asgi(), "/")
    assert (await socket.connect(TIMEOUT))[0]
    assert memory_layer.members("room")
    await socket.send_to(text_data="?")
    with pytest.raises(RuntimeError, match="it fails"):
        await socket.wait(TIMEOUT)
    del socket
    await wait_until(lambda: not memory_layer.members("room"))


async def test_a_consumer_that_ended_leaves_nothing(memory_layer: InMemoryChannelLayer) -> None:
    socket = WebsocketCommunicator(AsyncWebsocketConsumer.as_asgi(), "/")
    assert (await socket.connect(TIMEOUT))[0]
    server = memory_layer._server
    assert server is not None
    assert server.receivers
    await socket.disconnect(timeout=TIMEOUT)
    del socket
    await wait_until(lambda: not server.receivers)
