"""A complete application without a routing library: Django's pages, and the ping.

daphne examples.plain:application
"""

import os
from typing import Any

from django.core.asgi import get_asgi_application

from examples.ping import Receive, Send, ping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat_project.settings")

pages = get_asgi_application()


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve HTTP with Django and ``/ws/ping/`` with a coroutine."""
    match scope:
        case {"type": "http"}:
            await pages(scope, receive, send)  # type: ignore[arg-type]
        case {"type": "websocket", "path": "/ws/ping/"}:
            await ping(scope, receive, send)
        case {"type": "websocket"}:
            await refuse(receive, send)
        case {"type": "lifespan"}:
            await lifespan(receive, send)
        case _:
            raise ValueError(
                f"This application serves http, websocket and lifespan, not {scope['type']!r}."
            )


async def refuse(receive: Receive, send: Send) -> None:
    """Close a socket before it opens. The server answers the handshake with HTTP 403."""
    await receive()  # websocket.connect
    await send({"type": "websocket.close"})


async def lifespan(receive: Receive, send: Send) -> None:
    """Confirm startup and shutdown, which need no work."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
