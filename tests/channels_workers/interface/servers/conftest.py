"""A server of uvicorn with each of its implementations of WebSockets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels_workers.interface.actions import SendFrame
from channels_workers.interface.servers.uvicorn.outgoing import UvicornOutgoing
from tests.channels_workers.interface.servers.uvicorn_room import Room


@pytest.fixture(params=["websockets-sansio", "wsproto", "websockets"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    room = Room(request.param)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(room.make, "127.0.0.1", 0)
    room.port = server.sockets[0].getsockname()[1]
    yield room
    server.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[UvicornOutgoing]:
    """The lines whose server encoded a frame itself, once for each frame."""
    found: list[UvicornOutgoing] = []
    put = UvicornOutgoing.put

    def note(line: UvicornOutgoing, action: Any) -> None:
        if isinstance(action, SendFrame):
            found.append(line)
        put(line, action)

    monkeypatch.setattr(UvicornOutgoing, "put", note)
    return found
