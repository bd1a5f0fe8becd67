"""An echo, and a group chat as a sync and as an async consumer.

They share the group of the function consumers in ``chat/consumers.py``. A group message with both a
``type`` and a ``text`` serves both kinds: a class runs the method named by the type, the socket of
a function consumer sends the text. Messages of functions have no type. The mixin handles them.
"""

from typing import Any

from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from channels_workers.generic.mixins import AsyncWorkerMessagesMixin, WorkerMessagesMixin


class EchoConsumer(WebsocketConsumer):  # type: ignore[misc]
    """Sends back what it receives."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Echo a frame."""
        self.send(text_data, bytes_data)


class ChatConsumer(WorkerMessagesMixin, WebsocketConsumer):  # type: ignore[misc]
    """Forwards frames to everybody in the room."""

    def connect(self) -> None:
        """Join the room, then accept, so that an open socket misses nothing."""
        self.group = f"chat-{self.scope['url_route']['kwargs']['room_name']}"
        async_to_sync(self.channel_layer.group_add)(self.group, self.channel_name)
        self.accept()

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Forward a text frame. Ignore binary ones."""
        if text_data is not None:
            message = {"type": "chat_message", "text": text_data}
            async_to_sync(self.channel_layer.group_send)(self.group, message)

    def chat_message(self, event: dict[str, Any]) -> None:
        """Send a message of the room."""
        self.send(event["text"])

    def disconnect(self, code: int) -> None:
        """Leave the room."""
        async_to_sync(self.channel_layer.group_discard)(self.group, self.channel_name)


class AsyncChatConsumer(AsyncWorkerMessagesMixin, AsyncWebsocketConsumer):  # type: ignore[misc]
    """Does the same on the event loop, without a thread."""

    async def connect(self) -> None:
        """Join the room, then accept, so that an open socket misses nothing."""
        self.group = f"chat-{self.scope['url_route']['kwargs']['room_name']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Forward a text frame. Ignore binary ones."""
        if text_data is not None:
            message = {"type": "chat_message", "text": text_data}
            await self.channel_layer.group_send(self.group, message)

    async def chat_message(self, event: dict[str, Any]) -> None:
        """Send a message of the room."""
        await self.send(event["text"])

    async def disconnect(self, code: int) -> None:
        """Leave the room."""
        await self.channel_layer.group_discard(self.group, self.channel_name)
