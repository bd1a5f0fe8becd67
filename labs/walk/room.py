"""A room with two sockets, a worker and a layer, all in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from channels_workers.channel import Group
from channels_workers.interface.application import Interface
from channels_workers.layers.base import WorkerLayer
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.sessions import channel_session
from channels_workers.worker import WorkerGroup

#: Time-out of every step (s).
TIMEOUT = 60.0

Event = dict[str, Any]


@channel_session
def enter(message: Message) -> None:
    """Let a socket into the room, whose name is kept in its session."""
    message.channel_session["room"] = "lobby"
    Group("lobby", channel_layer=message.channel_layer).add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session
def say(message: Message) -> None:
    """Send a frame to everybody in the room."""
    room = message.channel_session["room"]
    Group(room, channel_layer=message.channel_layer).send({"text": message["text"]})


class Client:
    """One WebSocket as an ASGI server shows it to the application."""

    def __init__(self, application: Interface) -> None:
        self.texts: list[str] = []
        self._accepted = asyncio.Event()
        self._heard = asyncio.Event()
        self._incoming: asyncio.Queue[Event] = asyncio.Queue()
        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
        self._task = asyncio.create_task(application(scope, self._incoming.get, self._take))
        self._incoming.put_nowait({"type": "websocket.connect"})

    async def _take(self, event: Event) -> None:
        if event["type"] == "websocket.accept":
            self._accepted.set()
        elif event["type"] == "websocket.send":
            self.texts.append(event["text"])
            self._heard.set()

    async def enter(self) -> None:
        """Wait until the handshake is accepted."""
        await asyncio.wait_for(self._accepted.wait(), TIMEOUT)

    def say(self, text: str) -> None:
        """Send a frame."""
        self._incoming.put_nowait({"type": "websocket.receive", "text": text, "bytes": None})

    async def hear(self, text: str) -> None:
        """Wait until *text* is the last received frame."""
        async with asyncio.timeout(TIMEOUT):
            while self.texts[-1:] != [text]:
                self._heard.clear()
                await self._heard.wait()

    async def leave(self) -> None:
        """Disconnect, and wait until the application has noticed."""
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._task, TIMEOUT)


class Room:
    """An interface server with two clients, and a worker with one thread.

    *make_layer* is called for both. A memory layer must be the same object.
    """

    def __init__(self, make_layer: Callable[[], WorkerLayer]) -> None:
        self._layers = [make_layer(), make_layer()]
        router = Router([route("websocket.connect", enter), route("websocket.receive", say)])
        self._worker = WorkerGroup(self._layers[1], router=router)
        self._application = Interface(_no_pages, lambda: self._layers[0])
        self._clients: list[Client] = []

    async def open(self) -> None:
        """Start everything, and let both clients in."""
        self._worker.start()
        self._clients = [Client(self._application) for _ in range(2)]
        for client in self._clients:
            await client.enter()

    async def talk(self, text: str) -> None:
        """Let the first client send *text*. Returns when both have received it."""
        self._clients[0].say(text)
        for client in self._clients:
            await client.hear(text)

    async def close(self) -> None:
        """Stop everything."""
        for client in self._clients:
            await client.leave()
        await self._application.drain()
        self._worker.stop()
        if not await asyncio.to_thread(self._worker.join, TIMEOUT):
            raise TimeoutError("The worker has not stopped.")
        for layer in self._layers:
            if disconnect := getattr(layer, "disconnect", None):
                disconnect()


async def _no_pages(scope: object, receive: object, send: object) -> None:
    raise ValueError("There are only sockets, no pages.")
