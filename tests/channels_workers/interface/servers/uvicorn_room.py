"""A server of uvicorn in the event loop of a test, and real clients."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect

from channels_workers.conf import Configuration
from channels_workers.interface.actions import Accept, SendFrame
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.outgoing_kinds import outgoing_for
from channels_workers.interface.servers.uvicorn.outgoing import UvicornOutgoing


def shared(value: str | bytes, *, to_group: bool = True) -> SharedFrame:
    key = "text" if isinstance(value, str) else "bytes"
    length = len(value.encode() if isinstance(value, str) else value)
    return SharedFrame(SendFrame({"type": "websocket.send", key: value}, length), length, to_group)


class Room:
    """Sockets of a server in this event loop, and what goes out to each."""

    def __init__(self, implementation: Any) -> None:
        self.lines: list[UvicornOutgoing] = []
        self.overflows = 0
        self.limits = Configuration()
        self._config = uvicorn.Config(
            self._serve, interface="asgi3", ws=implementation, lifespan="off", log_config=None
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `--ws websockets` is deprecated
            self._config.load()
        self._state = ServerState()
        self.port = 0

    def make(self) -> asyncio.Protocol:
        assert self._config.ws_protocol_class is not None
        return self._config.ws_protocol_class(
            config=self._config, server_state=self._state, app_state={}
        )  # type: ignore[call-arg, return-value]

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        line = outgoing_for(send, self.limits, self._overflow)
        assert isinstance(line, UvicornOutgoing)
        line.put(Accept({"type": "websocket.accept", "subprotocol": None}))
        self.lines.append(line)
        while (await receive())["type"] != "websocket.disconnect":
            pass

    def _overflow(self) -> None:
        self.overflows += 1

    def tell(self, *values: str | bytes) -> None:
        """Send frames to everybody."""
        for value in values:
            frame = shared(value)
            for line in self.lines:
                line.put_shared(frame)

    @asynccontextmanager
    async def enter(
        self, compression: str | None = None, **options: Any
    ) -> AsyncIterator[ClientConnection]:
        address = f"ws://127.0.0.1:{self.port}/"
        options |= {"compression": compression, "max_size": None, "ping_interval": None}
        async with connect(address, **options) as client:
            yield client
