"""The mixins: class-based consumers that accept messages in the style of function consumers."""

import logging
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.testing import WebsocketCommunicator

from channels_workers.generic.mixins import AsyncWorkerMessagesMixin, WorkerMessagesMixin
from channels_workers.layers.memory import InMemoryChannelLayer

# Consumers of Channels clean up database connections.
pytestmark = pytest.mark.django_db

TIMEOUT = 60
# What the consumers below send for a message of this type.
LAST = {"type": "last"}


class SyncConsumer(WorkerMessagesMixin, WebsocketConsumer):  # type: ignore[misc]
    groups = ("room",)

    def last(self, event: dict[str, Any]) -> None:
        self.base_send(LAST)


class AsyncConsumer(AsyncWorkerMessagesMixin, AsyncWebsocketConsumer):  # type: ignore[misc]
    groups = ("room",)

    async def last(self, event: dict[str, Any]) -> None:
        await self.base_send(LAST)


@pytest.fixture(params=[SyncConsumer, AsyncConsumer])
async def socket(request: pytest.FixtureRequest, memory_layer: InMemoryChannelLayer) -> Any:
    """An open socket in the group `room`."""
    communicator = WebsocketCommunicator(request.param.as_asgi(), "/")
    assert await communicator.connect(TIMEOUT) == (True, None)
    yield communicator
    await communicator.disconnect(timeout=TIMEOUT)


async def send(layer: InMemoryChannelLayer, *messages: dict[str, Any]) -> None:
    for message in messages:
        await layer.group_send("room", message)


async def outputs(socket: WebsocketCommunicator, number: int) -> list[dict[str, Any]]:
    return [await socket.receive_output(TIMEOUT) for _ in range(number)]


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": data}


async def test_text_and_bytes_are_sent(
    socket: WebsocketCommunicator, memory_layer: InMemoryChannelLayer
) -> None:
    await send(memory_layer, {"text": "hello"}, {"text": ""}, {"bytes": b"\xff", "text": None})
    binary = {"type": "websocket.send", "bytes": b"\xff"}
    assert await outputs(socket, 3) == [text("hello"), text(""), binary]


async def test_an_empty_message_is_ignored(
    socket: WebsocketCommunicator, memory_layer: InMemoryChannelLayer
) -> None:
    await send(memory_layer, {}, {"accept": True}, {"close": False}, {"text": "hello"})
    assert await outputs(socket, 1) == [text("hello")]


@pytest.mark.parametrize(("close", "code"), [(True, 1000), (1000, 1000), (4001, 4001)])
async def test_close_follows_the_text(
    socket: WebsocketCommunicator, memory_layer: InMemoryChannelLayer, close: Any, code: int
) -> None:
    await send(memory_layer, {"text": "bye", "close": close})
    closing = {"type": "websocket.close", "code": code}
    assert await outputs(socket, 2) == [text("bye"), closing]


async def test_nothing_is_sent_after_the_close(
    socket: WebsocketCommunicator, memory_layer: InMemoryChannelLayer
) -> None:
    await send(memory_layer, {"close": True}, {"text": "late"}, {"close": True}, LAST)
    assert await outputs(socket, 2) == [{"type": "websocket.close", "code": 1000}, LAST]


@pytest.mark.parametrize("close", [1, 1001, 2999, 5000, "4001"])
async def test_a_reserved_close_code_is_logged_and_replaced(
    socket: WebsocketCommunicator,
    memory_layer: InMemoryChannelLayer,
    caplog: pytest.LogCaptureFixture,
    close: Any,
) -> None:
    await send(memory_layer, {"close": close})
    assert await outputs(socket, 1) == [{"type": "websocket.close", "code": 1000}]
    shown = (
        close if isinstance(close, int) else "of type str"
    )  # a text may quote what somebody said
    assert f"has the close code {shown}, not" in caplog.text


async def test_content_of_a_wrong_type_is_logged_and_affects_no_socket(
    socket: WebsocketCommunicator,
    memory_layer: InMemoryChannelLayer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await send(memory_layer, {"text": 1}, {"bytes": "text"}, {"text": "hello"})
    assert await outputs(socket, 1) == [text("hello")]
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2


async def test_a_worker_replies_to_the_channel_of_one_consumer(
    memory_layer: InMemoryChannelLayer,
) -> None:
    class Asking(AsyncWorkerMessagesMixin, AsyncWebsocketConsumer):  # type: ignore[misc]
        async def receive(
            self, text_data: str | None = None, bytes_data: bytes | None = None
        ) -> None:
            await self.channel_layer.send("questions", {"asker": self.channel_name})

    socket = WebsocketCommunicator(Asking.as_asgi(), "/")
    await socket.connect(TIMEOUT)
    await socket.send_to(text_data="?")
    question = await memory_layer.receive("questions")
    await memory_layer.send(question["asker"], {"text": "!"})
    assert await outputs(socket, 1) == [text("!")]
    await socket.disconnect(timeout=TIMEOUT)
