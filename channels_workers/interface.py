"""The interface server: an ASGI 3 application that holds the sockets and runs no consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from channels_workers import garbage
from channels_workers.conf import configuration
from channels_workers.goodbye import Goodbye
from channels_workers.layers.base import WorkerLayer
from channels_workers.outgoing import SendEvent
from channels_workers.protocol import Connection, Event, Scope
from channels_workers.sockets import Socket, Sockets

Receive = Callable[[], Awaitable[Event]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

#: How long a stopping server waits until the layer knows of its sockets' end (s).
DRAIN_TIMEOUT = 5.0

#: How long a stopping server waits until close frames are written (s).
WRITE_TIMEOUT = 2.0


class Interface:
    """Sockets go to workers by *layer*, HTTP goes to the ASGI application *http*."""

    def __init__(self, http: Application, layer: Callable[[], WorkerLayer]) -> None:
        self.http = http
        self.get_layer = layer
        self.sockets = Sockets()
        self.stopping = False
        self._goodbye = Goodbye(self.stop, DRAIN_TIMEOUT)
        self._leaving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: SendEvent) -> None:
        """Serve one connection; ValueError for a type of scope that is not known here."""
        match scope["type"]:
            case "websocket":
                await self.websocket(scope, receive, send)
            case "http":
                await self.http(scope, receive, send)
            case "lifespan":
                await self.lifespan(receive, send)
            case other:
                raise ValueError(
                    f"This application serves http, websocket and lifespan, not {other!r}; "
                    "route it to another application."
                )

    async def websocket(self, scope: Scope, receive: Receive, send: SendEvent) -> None:
        """Serve one WebSocket until its client is gone."""
        if not self._goodbye.is_installed:
            self._goodbye.install()
            self._get_ready()
        self._leaving = None
        connection = Connection(scope, configuration())
        socket = Socket(self.get_layer(), self.sockets, connection, send)
        await receive()  # websocket.connect
        if self.stopping:
            await send({"type": "websocket.close", "code": 1000})
            return
        await socket.open()
        try:
            while not socket.broken:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    socket.end(event.get("code"))
                    return
                socket.receive(event)
        except asyncio.CancelledError:
            if not socket.broken:
                socket.abandon()
                await self.drain_ended()
                raise
        finally:
            socket.end(None)

    async def lifespan(self, receive: Receive, send: SendEvent) -> None:
        """Answer the server's start; at its end, let the layer know of all sockets first."""
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                self._get_ready()
            else:
                await self.drain()
            await send({"type": f"{event['type']}.complete"})
            if event["type"] == "lifespan.shutdown":
                return

    def _get_ready(self) -> None:
        # At the start, under a server that tells of it: the first socket does not wait for this.
        garbage.collect_less()
        self.get_layer().start_server()

    async def stop(self) -> None:
        """Close all sockets, tell the layer of their end, and leave it."""
        self.stopping = True
        for socket in list(self.sockets.known):
            socket.stop()
        writers = [writer for socket in self.sockets.known if (writer := socket.outgoing.writer)]
        if writers:
            await asyncio.wait(writers, timeout=WRITE_TIMEOUT)
        await self.drain()

    async def drain(self) -> None:
        """Wait until the layer knows the end of every socket; leave it."""
        await self.drain_ended()
        await self._leave()

    async def drain_ended(self) -> None:
        """Wait until the layer knows of all sockets that have ended; after the last, leave it."""
        # Daphne cancels all applications at once, and exits when the first of them returns:
        # so all of them take note first, and then all wait for the same.
        await asyncio.sleep(0)
        ended = [socket for socket in self.sockets.known if socket.connection.end_code is not None]
        waiting = [task for socket in ended for task in socket.tasks]
        if waiting:
            await asyncio.wait(waiting, timeout=DRAIN_TIMEOUT)
        if not self.sockets.known:
            await self._leave()

    async def _leave(self) -> None:
        if self._leaving is None:
            self._leaving = asyncio.create_task(self.get_layer().retire_server())
        await asyncio.wait([self._leaving], timeout=DRAIN_TIMEOUT)
