"""The room on publish/subscribe, in the shape of broadcaster's README, without a framework."""

from __future__ import annotations

import asyncio

from labs.benchmarks.rooms.bare.asgi import Event, Receive, Send
from labs.benchmarks.rooms.common import given
from labs.benchmarks.rooms.frames import frame_of
from labs.benchmarks.rooms.pubsub.broadcast import Broadcast

broadcast = Broadcast(given["redis"])


async def application(scope: Event, receive: Receive, send: Send) -> None:
    """Start, or hold one socket."""
    if scope["type"] == "lifespan":
        await receive()
        await broadcast.connect()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    async with broadcast.subscribe(scope["path"]) as queue:
        await send({"type": "websocket.accept"})
        sender = asyncio.create_task(forward(queue, send))
        try:
            while (event := await receive())["type"] == "websocket.receive":
                await broadcast.publish(scope["path"], frame_of(event["text"]))
        finally:
            sender.cancel()


async def forward(queue: asyncio.Queue[str], send: Send) -> None:
    """Send the messages of the room to the socket."""
    while True:
        await send({"type": "websocket.send", "text": await queue.get()})
