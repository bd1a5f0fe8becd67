"""The chat's room on Channels 4: each message is stored, as `chat.consumers` stores it."""

from __future__ import annotations

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import transaction

from chat import guests
from chat.frames import Said, parse
from chat.models import Message, Room


class ChatConsumer(AsyncWebsocketConsumer):
    """One socket in its room."""

    async def connect(self) -> None:
        """Let the socket into its room, which the first one creates."""
        self.label = self.scope["url_route"]["kwargs"]["label"]
        self.room_group_name = f"chat_{self.label}"
        self.person = guests.person_of_socket(self.scope["headers"])
        await Room.objects.aget_or_create(label=self.label, defaults={"name": self.label})
        await self.channel_layer.group_add(self.room_group_name, self.channel_name)
        await self.accept()

    async def disconnect(self, close_code: int) -> None:
        """Take the socket out of its room."""
        await self.channel_layer.group_discard(self.room_group_name, self.channel_name)

    async def receive(self, text_data: str) -> None:
        """Store the message and send it to the room."""
        frame = await self.store(text_data)
        event = {"type": "chat.message", "text": frame}
        await self.channel_layer.group_send(self.room_group_name, event)

    @database_sync_to_async
    def store(self, text: str) -> str:
        """Write the message to the database, and return its frame."""
        said = parse(text)
        if not isinstance(said, Said):
            raise TypeError(f"Expected something said, got {said}.")
        with transaction.atomic():
            message, _ = Message.objects.record(self.label, said, self.person)
        return message.frame()

    async def chat_message(self, event: dict[str, Any]) -> None:
        """Send a message of the room to the socket."""
        await self.send(text_data=event["text"])
