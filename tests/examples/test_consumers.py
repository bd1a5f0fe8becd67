"""The class-based consumers in one process, over the layer in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from channels_workers import Group
from channels_workers.layers.memory import InMemoryChannelLayer
from examples.consumers import AsyncChatConsumer, ChatConsumer, EchoConsumer

TIMEOUT = 10
CHATS = [ChatConsumer, AsyncChatConsumer]

Chat = type[ChatConsumer] | type[AsyncChatConsumer]

# Consumers of Channels look after the database's connections.
pytestmark = [pytest.mark.usefixtures("memory_layer"), pytest.mark.django_db]


@asynccontextmanager
async def joined(
    consumer: Chat | type[EchoConsumer], room: str = "lobby"
) -> AsyncIterator[WebsocketCommunicator]:
    """A socket in a room."""
    socket = WebsocketCommunicator(consumer.as_asgi(), "/")
    socket.scope["url_route"] = {"kwargs": {"room_name": room}}
    assert await socket.connect(TIMEOUT) == (True, None)
    yield socket
    await socket.disconnect(timeout=TIMEOUT)


async def test_echo() -> None:
    async with joined(EchoConsumer) as socket:
        await socket.send_to(text_data="hello")
        assert await socket.receive_from(TIMEOUT) == "hello"
        await socket.send_to(bytes_data=b"\x00\xff")
        assert await socket.receive_from(TIMEOUT) == b"\x00\xff"


@pytest.mark.parametrize("speaker", CHATS)
@pytest.mark.parametrize("listener", CHATS)
async def test_who_is_in_a_room_hears_it_and_nobody_else_does(
    speaker: Chat, listener: Chat
) -> None:
    async with joined(speaker) as ann, joined(listener) as bob, joined(listener, "other") as eve:
        await ann.send_to(text_data="hello")
        assert await ann.receive_from(TIMEOUT) == "hello"
        assert await bob.receive_from(TIMEOUT) == "hello"
        await eve.send_to(text_data="alone")
        assert await eve.receive_from(TIMEOUT) == "alone"


@pytest.mark.parametrize("chat", CHATS)
async def test_a_group_send_calls_the_method_that_its_type_names(
    chat: Chat, memory_layer: InMemoryChannelLayer
) -> None:
    async with joined(chat) as ann, joined(chat) as bob:
        await memory_layer.group_send("chat-lobby", {"type": "chat_message", "text": "hello"})
        await memory_layer.group_send("chat-lobby", {"type": "chat.message", "text": "again"})
        for socket in (ann, bob):
            assert await socket.receive_from(TIMEOUT) == "hello"
            assert await socket.receive_from(TIMEOUT) == "again"


@pytest.mark.parametrize("chat", CHATS)
async def test_a_binary_frame_is_not_handed_on(chat: Chat) -> None:
    async with joined(chat) as ann, joined(chat) as bob:
        await ann.send_to(bytes_data=b"\x00")
        await ann.send_to(text_data="hello")
        assert await ann.receive_from(TIMEOUT) == "hello"
        assert await bob.receive_from(TIMEOUT) == "hello"


@pytest.mark.parametrize("chat", CHATS)
async def test_what_a_function_sends_to_the_group_arrives(chat: Chat) -> None:
    async with joined(chat) as ann:
        await sync_to_async(Group("chat-lobby").send)({"text": "from a function"})
        assert await ann.receive_from(TIMEOUT) == "from a function"


@pytest.mark.parametrize("chat", CHATS)
async def test_who_has_left_is_in_no_group(chat: Chat, memory_layer: InMemoryChannelLayer) -> None:
    async with joined(chat):
        assert memory_layer.members("chat-lobby")
    assert not memory_layer.members("chat-lobby")
