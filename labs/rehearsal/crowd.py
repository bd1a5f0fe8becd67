"""Many idle sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from labs.harness.visitor import trusting
from labs.rehearsal.guest import Guest
from labs.rehearsal.router import OWN_HOST, Router

#: How many handshakes are in flight at once.
AT_ONCE = 10

#: Time-out of a handshake, and of an answer (s).
TIMEOUT = 300.0


@asynccontextmanager
async def crowd(router: Router, rooms: Sequence[str]) -> AsyncIterator[list[ClientConnection]]:
    """Open a socket in each of the *rooms*, which may be the same. Closes them after the block."""
    gate = asyncio.Semaphore(AT_ONCE)
    trusted = trusting(router.certificate.file)

    async def enter(room: str) -> ClientConnection:
        async with gate:
            guest = Guest(router)
            await asyncio.to_thread(guest.get, f"/{room}/")
            return await connect(
                f"{router.socket_url}/chat/{room}/",
                ssl=trusted,
                origin=Origin(f"https://{OWN_HOST}:{router.https}"),
                additional_headers=guest.headers,
                open_timeout=TIMEOUT,
                ping_interval=None,
                compression=None,
            )

    sockets = await asyncio.gather(*(enter(room) for room in rooms))
    try:
        yield sockets
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))


async def say(sockets: Sequence[ClientConnection], text: str) -> None:
    """Let each socket send the same text once."""
    frame = json.dumps({"handle": "somebody", "message": text})
    await asyncio.gather(*(socket.send(frame) for socket in sockets))


async def hear(sockets: Sequence[ClientConnection], text: str) -> None:
    """Wait until each socket has received it once."""

    async def hear_one(socket: ClientConnection) -> None:
        while json.loads(await socket.recv()).get("message") != text:
            pass

    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*(hear_one(socket) for socket in sockets))
