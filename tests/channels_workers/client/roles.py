"""A real WebSocket server in the event loop of a test, which plays the server's role."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

#: How long a test waits for what must happen (s).
SOON = 20.0

Respond = Callable[[ServerConnection, Request], Response | None]


class Peer:
    """The server's end of one socket."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.ended = asyncio.Event()

    @property
    def headers(self) -> Any:
        assert self.socket.request is not None
        return self.socket.request.headers

    @property
    def offered(self) -> list[str]:
        found = ",".join(self.headers.get_all("Sec-WebSocket-Protocol"))
        return [each.strip() for each in found.split(",") if each.strip()]

    async def receive(self) -> Any:
        """The next frame, decoded."""
        return json.loads(await self.read())

    async def read(self) -> str | bytes:
        """The next frame."""
        return await asyncio.wait_for(self.socket.recv(), SOON)

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def cut(self) -> None:
        """End the socket without a close frame."""
        self.socket.transport.abort()
        await self.socket.wait_closed()
        self.ended.set()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.socket.close(code, reason)
        self.ended.set()


class Host:
    """Accepts sockets: `await host.next()` is the next one."""

    def __init__(self) -> None:
        self.sockets: asyncio.Queue[Peer] = asyncio.Queue()
        self.respond: Respond = lambda socket, request: None
        self.port = 0
        self._server: Server | None = None
        self.n_handshakes = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._process,
            select_subprotocol=lambda socket, offered: next(
                (each for each in offered if each == "channels-workers.v1"), None
            ),
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def next(self) -> Peer:
        return await asyncio.wait_for(self.sockets.get(), SOON)

    def _process(self, socket: ServerConnection, request: Request) -> Response | None:
        self.n_handshakes += 1
        return self.respond(socket, request)

    async def _serve(self, socket: ServerConnection) -> None:
        self.sockets.put_nowait(Peer(socket))
        await socket.wait_closed()


@asynccontextmanager
async def host() -> AsyncIterator[Host]:
    found = Host()
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


async def soon(awaitable: Any) -> Any:
    """The result, within a time-out."""
    return await asyncio.wait_for(awaitable, SOON)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, with a time-out."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.005)
