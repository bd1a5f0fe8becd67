"""The room on Channels 4, in the shape of its tutorial."""

from __future__ import annotations

import json
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from labs.benchmarks.rooms.frames import fields_of


class ChatConsumer(AsyncWebsocketConsumer):
    """One socket in its room."""

    async def connect(self) -> None:
        """Let the socket into its room."""
        self.room_group_name = f"chat_{self.scope['url_route']['kwargs']['room_name']}"
        await self.channel_layer.group_add(self.room_group_name, self.channel_name)
        await self.accept()

    async def disconnect(self, close_code: int) -> None:
        """Take the socket out of its room."""
        await self.channel_layer.group_discard(self.room_group_name, self.channel_name)

    async def receive(self, text_data: str) -> None:
        """Tell the room."""
        event = {"type": "chat.message", **fields_of(text_data)}
        await self.channel_layer.group_send(self.room_group_name, event)

    async def chat_message(self, event: dict[str, Any]) -> None:
        """Send a message of the room to the socket."""
        fields = {key: value for key, value in event.items() if key != "type"}
        await self.send(text_data=json.dumps(fields))
