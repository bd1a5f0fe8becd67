"""A client of a room: one socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from labs.benchmarks.load.account import Ear

#: Looked up for each frame.
TEXT = WSMsgType.TEXT

Hear = Callable[["Client", str], None]


class Members:
    """A room from the clients' side: its members, and whether their sockets are open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clients: list[Client] = []
        self.open = 0


class Client(WSListener):
    """Holds one socket. *hear* gets the text of each frame."""

    #: Headers of the handshake.
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, number: int, room: Members, hear: Hear) -> None:
        self.number = number
        self.room = room
        self.ear = Ear()
        self.has_joined = False
        self.is_leaving = False
        self.has_ended = False
        #: The server's close code. 0 without one.
        self.code = 0
        self._hear = hear
        self._parts: list[bytes] = []
        self._transport: WSTransport | None = None

    @property
    def path(self) -> str:
        """The path of its socket, with the query."""
        return f"/chat/{self.room.name}/"

    @property
    def is_open(self) -> bool:
        """Whether the socket is open."""
        return self._transport is not None and self.has_joined and not self.is_leaving

    @property
    def was_dropped(self) -> bool:
        """Whether the server closed or cut the socket."""
        return self.has_ended and not self.is_leaving

    def send(self, text: str) -> None:
        """Send a frame if the socket is open."""
        if self._transport is not None:
            self._transport.send(TEXT, text.encode())

    def leave(self) -> None:
        """Close the socket if it is open."""
        self.is_leaving = not self.has_ended
        if self._transport is not None:
            self._transport.send_close(WSCloseCode.OK)

    def cut(self) -> None:
        """Abort a socket that has not closed."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Record that the socket is open."""
        self._transport = transport
        self._join()

    def _join(self) -> None:
        """Record that the room has it."""
        self.has_joined = True
        self.room.open += 1

    async def wait_until_joined(self, patience: float) -> None:
        """Wait until the room has it. TimeoutError or OSError if that does not come.

        Sockets that speak this protocol are in their room as soon as they are open.
        """

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass the text of a frame on. Fragments are joined first."""
        kind = frame.msg_type
        if kind is TEXT and frame.fin:
            self._hear(self, frame.get_payload_as_utf8_text())
        elif kind is TEXT or kind is WSMsgType.CONTINUATION:
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                text = b"".join(self._parts).decode()
                self._parts.clear()
                self._hear(self, text)
        elif kind is WSMsgType.CLOSE:
            self.code = int.from_bytes(frame.get_payload_as_bytes()[:2])
            if not self.is_leaving:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Record that the socket has ended."""
        self.has_ended = True
        self._transport = None
        self.room.open -= self.has_joined
