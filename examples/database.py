"""Class-based consumers of Channels 4 that use the ORM, and the user of the browser's session.

Queries would block the event loop, so ``database_sync_to_async`` runs them in a thread. By default
that is one thread for the whole process, which has one connection to the database. With
``thread_sensitive=False`` queries run side by side, each thread with a connection of its own. The
variable ``ASGI_THREADS`` bounds these threads under Daphne. Uvicorn does not read it. The pool here
reads it for both.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from chat.models import Message

threads = ThreadPoolExecutor(int(os.environ.get("ASGI_THREADS", "4")))


class HistoryConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Answers each frame with the number of messages in the room, and the last of them."""

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Query, by a call and by a decorated function."""
        label = self.scope["url_route"]["kwargs"]["room_name"]
        messages = Message.objects.filter(room__label=label)
        count = database_sync_to_async(messages.count, thread_sensitive=False, executor=threads)
        await self.send_json({"count": await count(), "last": await last_message(label)})


@database_sync_to_async
def last_message(label: str) -> str | None:
    """Return the text of the last message in a room, or None."""
    messages = Message.objects.filter(room__label=label).order_by("id")
    return messages.values_list("message", flat=True).last()


class UserConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends the name of the user, or null. It needs ``AuthMiddlewareStack`` around it."""

    async def connect(self) -> None:
        """Accept, and send the name. The middleware has already read the user."""
        await self.accept()
        await self.send_json({"user": self.scope["user"].get_username() or None})
