"""A room is a dict of coroutines that send to its members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from labs.benchmarks.rooms.frames import frame_of

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

#: Each room by its path, each member by its number.
rooms: dict[str, dict[int, Send]] = {}


async def application(scope: Event, receive: Receive, send: Send) -> None:
    """Hold one socket. Other scopes are refused."""
    if scope["type"] != "websocket":
        raise NotImplementedError(f"Expected a websocket, got {scope['type']}: open a socket.")
    await receive()
    await send({"type": "websocket.accept"})
    room = rooms.setdefault(scope["path"], {})
    room[id(send)] = send
    try:
        while (event := await receive())["type"] == "websocket.receive":
            await tell(room, frame_of(event["text"]))
    finally:
        del room[id(send)]
        if not room:
            rooms.pop(scope["path"], None)


async def tell(room: dict[int, Send], text: str) -> None:
    """Send *text* to all members, except those whose socket has just ended."""
    event = {"type": "websocket.send", "text": text}
    for send in list(room.values()):
        with suppress(OSError):
            await send(event)
