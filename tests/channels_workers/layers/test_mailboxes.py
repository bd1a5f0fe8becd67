"""Channels of class-based consumers are deleted with their consumers, however these end."""

import asyncio
import gc
from collections.abc import Callable

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator

from channels_workers.layers.mailboxes import Mailbox
from channels_workers.layers.memory import InMemoryChannelLayer

# Consumers of Channels clean up database connections.
pytestmark = pytest.mark.django_db

TIMEOUT = 60


class Failing(AsyncWebsocketConsumer):  # type: ignore[misc]
    groups = ("room",)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        raise RuntimeError("it fails")


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            gc.collect()
            await asyncio.sleep(0)


async def test_a_failed_consumer_is_in_no_group(memory_layer: InMemoryChannelLayer) -> None:
    socket = WebsocketCommunicator(Failing.as_asgi(), "/")
    assert (await socket.connect(TIMEOUT))[0]
    assert memory_layer.members("room")
    await socket.send_to(text_data="?")
    with pytest.raises(RuntimeError, match="it fails"):
        await socket.wait(TIMEOUT)
    del socket
    await wait_until(lambda: not memory_layer.members("room"))


async def test_a_finished_consumer_leaves_nothing_behind(
    memory_layer: InMemoryChannelLayer,
) -> None:
    socket = WebsocketCommunicator(AsyncWebsocketConsumer.as_asgi(), "/")
    assert (await socket.connect(TIMEOUT))[0]
    server = memory_layer._server
    assert server is not None
    assert server.receivers
    await socket.disconnect(timeout=TIMEOUT)
    del socket
    await wait_until(lambda: not server.receivers)


async def test_drops_of_a_full_mailbox_are_logged_once_and_counted_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailbox = Mailbox(4)
    for number in range(4):
        mailbox.deliver({"number": number})
    for _ in range(10):
        mailbox.deliver({"number": "too much"})
    await mailbox.receive()
    mailbox.deliver({"number": 4})
    mailbox.deliver({"number": "too much"})  # it has not read enough: still the same episode
    numbers = [(await mailbox.receive() or {})["number"] for _ in range(4)]
    assert numbers == [1, 2, 3, 4]
    assert [record.message for record in caplog.records] == [
        "A channel is not read: messages to it are dropped, as 4 messages wait",
        "A channel is read again: 11 messages to it were dropped",
    ]
