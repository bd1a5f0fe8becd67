"""An application that counts the threads and the connections of queries that run side by side.

A socket at `/sensitive/`, `/default/` or `/pool/` selects the threads, one at `/class/` is a sync
class. A frame `[calls, together]`
runs so many calls. Each of them lasts until so many of them run at the same time. The reply is the
number of threads, and of connections that they opened.
"""

import asyncio
import os
import threading
from typing import Any, ClassVar

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import connection
from django.db.backends.signals import connection_created
from django.urls import path

from channels_workers.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat_project.settings")

workers = get_application()

from examples.database import threads  # noqa: E402  (Django is set up now)

WAYS: dict[str, dict[str, Any]] = {
    "sensitive": {},
    "default": {"thread_sensitive": False},
    "pool": {"thread_sensitive": False, "executor": threads},
}

opened: list[object] = []


@connection_created.connect
def count(connection: object, **kwargs: object) -> None:
    opened.append(connection)


def query(meeting: threading.Barrier) -> int:
    """Hold a connection until the others have one, too. Return the thread."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        meeting.wait(60)
    return threading.get_ident()


class Calls(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        calls, together = content
        meeting = threading.Barrier(together)
        way = WAYS[self.scope["url_route"]["kwargs"]["way"]]
        run = database_sync_to_async(query, **way)
        used = await asyncio.gather(*(run(meeting) for _ in range(calls)))
        await self.send_json({"threads": len(set(used)), "connections": len(opened)})


class SyncClass(JsonWebsocketConsumer):
    """Runs a query itself, and counts the threads of all its instances."""

    used: ClassVar[set[int]] = set()

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.used.add(query(threading.Barrier(1)))
        self.send_json({"threads": len(self.used), "connections": len(opened)})


application = ProtocolTypeRouter(
    {
        "http": workers,
        "lifespan": workers,
        "websocket": URLRouter(
            [path("class/", SyncClass.as_asgi()), path("<way>/", Calls.as_asgi())]
        ),
    }
)
