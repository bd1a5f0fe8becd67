"""The class-based consumers in one process, on the memory layer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from channels_workers import Group
from channels_workers.layers.memory import InMemoryChannelLayer
from examples.consumers import AsyncChatConsumer, ChatConsumer, EchoConsumer

TIMEOUT = 60
CHATS = [ChatConsumer, AsyncChatConsumer]

Chat = type[ChatConsumer] | type[AsyncChatConsumer]

# Consumers of Channels clean up database connections.
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
async def test_only_the_members_of_a_room_hear_a_message(speaker: Chat, listener: Chat) -> None:
    async with joined(speaker) as ann, joined(listener) as bob, joined(listener, "other") as eve:
        await ann.send_to(text_data="hello")
        assert await ann.receive_from(TIMEOUT) == "hello"
        assert await bob.receive_from(TIMEOUT) == "hello"
        await eve.send_to(text_data="alone")
        assert await eve.receive_from(TIMEOUT) == "alone"


@pytest.mark.parametrize("chat", CHATS)
async def test_a_group_send_calls_the_method_named_by_its_type(
    chat: Chat, memory_layer: InMemoryChannelLayer
) -> None:
    async with joined(chat) as ann, joined(chat) as bob:
        await memory_layer.group_send("chat-lobby", {"type": "chat_message", "text": "hello"})
        await memory_layer.group_send("chat-lobby", {"type": "chat.message", "text": "again"})
        for socket in (ann, bob):
            assert await socket.receive_from(TIMEOUT) == "hello"
            assert await socket.receive_from(TIMEOUT) == "again"


@pytest.mark.parametrize("chat", CHATS)
async def test_a_binary_frame_is_not_forwarded(chat: Chat) -> None:
    async with joined(chat) as ann, joined(chat) as bob:
        await ann.send_to(bytes_data=b"\x00")
        await ann.send_to(text_data="hello")
        assert await ann.receive_from(TIMEOUT) == "hello"
        assert await bob.receive_from(TIMEOUT) == "hello"


@pytest.mark.parametrize("chat", CHATS)
async def test_a_functions_message_to_the_group_arrives(chat: Chat) -> None:
    async with joined(chat) as ann:
        await sync_to_async(Group("chat-lobby").send)({"text": "from a function"})
        assert await ann.receive_from(TIMEOUT) == "from a function"


@pytest.mark.parametrize("chat", CHATS)
async def test_a_socket_that_left_is_in_no_group(
    chat: Chat, memory_layer: InMemoryChannelLayer
) -> None:
    async with joined(chat):
        assert memory_layer.members("chat-lobby")
    assert not memory_layer.members("chat-lobby")
