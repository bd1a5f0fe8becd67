"""A proxy of a network that lets no WebSocket through, in front of one server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

PIECE = 65_536
EVENTS = b"text/event-stream"


class StrictProxy:
    """Passes connections on, except for WebSockets. Counts those, and offers to compress frames.

    `websockets` says what becomes of those: they are "refused", "unanswered", "cut" once they are
    open, or "passed". If `collects`, no byte of an event stream comes before its end. While
    `is_down` nothing passes.
    """

    def __init__(self, port: int) -> None:
        self.to = port
        self.websockets = "refused"
        self.collects = False
        self.is_down = False
        self.upgrades = self.deflated = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of pages behind it."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Cut all connections."""
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it."""
        self.is_down = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            self._open.add(client)
            if self.is_down:
                return
            head = client.recv(PIECE)
            is_upgrade = b"upgrade: websocket" in head.lower()
            self.upgrades += is_upgrade
            self.deflated += b"permessage-deflate" in head.lower()
            if is_upgrade and self.websockets == "refused":
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            elif is_upgrade and self.websockets == "unanswered":
                while client.recv(PIECE):
                    pass
            elif head:
                self._pass(client, head, is_cut=is_upgrade and self.websockets == "cut")
        self._open.discard(client)

    def _pass(self, client: socket.socket, head: bytes, *, is_cut: bool) -> None:
        with closing(socket.create_connection(("127.0.0.1", self.to))) as server:
            self._open.add(server)
            server.sendall(head)
            up = threading.Thread(target=self._pump, args=(client, server), daemon=True)
            up.start()
            while data := server.recv(PIECE):
                if self.collects and EVENTS in data:
                    while server.recv(PIECE):
                        pass
                    break
                client.sendall(data)
                if is_cut:
                    break
            for each in (client, server):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self._open.discard(server)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@contextmanager
def strict_proxy(port: int) -> Iterator[StrictProxy]:
    """A proxy in front of the server on this port."""
    proxy = StrictProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
