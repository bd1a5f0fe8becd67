"""A client of a room that speaks Socket.IO, version 5, in packets of Engine.IO, version 4.

A frame of the other rooms is an event ``message`` with one argument. Its text costs the client one
slice more than theirs, so that the cost of the load is comparable.
"""

from __future__ import annotations

import asyncio
import json

from picows import WSTransport

from labs.benchmarks.load.client import TEXT, Client, Hear, Members

#: Packets of Engine.IO: the server's first one, ping, and pong.
OPEN, PING, PONG = "0", "2", "3"

#: Packets of Socket.IO for the default namespace, in messages of Engine.IO.
JOIN, REFUSED = "40", "44"
EVENT = '42["message",'


class SocketIOClient(Client):
    """Holds one socket. It is in its room when the server has answered the packet that says so."""

    def __init__(self, number: int, room: Members, hear: Hear) -> None:
        super().__init__(number, room, _take)
        self.hear_event = hear
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def path(self) -> str:
        """The path of its socket, with the query."""
        return "/socket.io/?EIO=4&transport=websocket"

    def send(self, text: str) -> None:
        """Send an event with the JSON *text* if the socket is open."""
        super().send(f"{EVENT}{text}]")

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Record that the socket is open. It is in no room yet."""
        self._transport = transport

    def take_packet(self, packet: str) -> None:
        """Handle a packet that is no event."""
        if packet == PING:
            self._send_packet(PONG)
        elif packet.startswith(OPEN):
            self._send_packet(JOIN + json.dumps({"room": self.room.name}))
        elif packet.startswith(JOIN):
            self._join()
            self._joined.set_result(None)
        elif packet.startswith(REFUSED):
            self._fail(packet)

    def _send_packet(self, packet: str) -> None:
        if self._transport is not None:
            self._transport.send(TEXT, packet.encode())

    def _fail(self, reason: str) -> None:
        if not self._joined.done():
            self._joined.set_exception(ConnectionError(f"Expected to join, got {reason!r}."))

    async def wait_until_joined(self, patience: float) -> None:
        """Wait until the room has it. TimeoutError or OSError if that does not come."""
        async with asyncio.timeout(patience):
            await self._joined

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Record that the socket has ended."""
        super().on_ws_disconnected(transport)
        self._fail("the end of the socket")


def _take(client: Client, packet: str) -> None:
    """Pass the argument of an event on."""
    assert isinstance(client, SocketIOClient)
    if packet.startswith(EVENT):
        client.hear_event(client, packet[len(EVENT) : -1])
    else:
        client.take_packet(packet)
