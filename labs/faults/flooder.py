"""Misbehaving clients: one floods its room, one never reads."""

from __future__ import annotations

import json
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from labs.harness.raw_socket import RawSocket
from labs.harness.server import Server


class Flooder:
    """Sends *frames* to a room of its own without waiting, and records the echoes."""

    def __init__(self, server: Server, frames: int) -> None:
        self.frames = frames
        self.heard: list[int] = []
        self.code: int | None = None
        self._socket: ClientConnection = connect(
            f"{server.socket_url}/room/flood/?key=flood", compression=None, ping_interval=None
        )
        self._hearer = threading.Thread(target=self._hear, daemon=True)

    def run(self, timeout: float) -> None:
        """Send all frames, and wait until all have come back or the socket is closed."""
        self._hearer.start()
        try:
            for number in range(self.frames):
                self._socket.send(json.dumps({"sender": "flood", "number": number}))
        except ConnectionClosed:
            pass
        self._hearer.join(timeout)
        self._socket.close()

    def _hear(self) -> None:
        try:
            while len(self.heard) < self.frames:
                frame = json.loads(self._socket.recv())
                if "number" in frame:
                    self.heard.append(frame["number"])
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else None

    @property
    def is_in_order(self) -> bool:
        """Whether the received frames are a prefix of the sent ones."""
        return self.heard == list(range(len(self.heard)))


class Sleeper:
    """Enters a room and never reads. Its kernel buffers as little as possible."""

    def __init__(self, server: Server, room: str) -> None:
        self._socket = RawSocket(server.port, f"/room/{room}/?key=sleeper", deaf=True)
        self._port = self._socket.line.getsockname()[1]

    def is_closed(self, server: Server) -> bool:
        """Whether the server has closed the connection, or is closing it."""
        mine, theirs = f"{self._port:04X}", f"{server.port:04X}"
        with open("/proc/net/tcp") as table:  # noqa: PTH123  (a file of the kernel)
            states = [
                fields[3]
                for fields in map(str.split, table)
                if fields[1].endswith(f":{theirs}") and fields[2].endswith(f":{mine}")
            ]
        return "01" not in states  # 01: established

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()
