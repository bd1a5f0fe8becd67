"""A WebSocket in plain ASGI: one coroutine per socket, and no library."""

from collections.abc import Awaitable, Callable
from typing import Any

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


async def ping(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Accept, answer only ``ping`` with ``pong!``, and return on disconnect."""
    while True:
        match await receive():
            case {"type": "websocket.connect"}:
                await send({"type": "websocket.accept"})
            case {"type": "websocket.receive", "text": "ping"}:
                await send({"type": "websocket.send", "text": "pong!"})
            case {"type": "websocket.disconnect"}:
                return
