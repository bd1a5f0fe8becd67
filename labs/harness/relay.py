"""A TCP relay between clients and a server: it cuts connections, or lets them hang half open."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Relay:
    """Listens on *port*, and connects each client with the server on the port *target*."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._flows = threading.Event()
        self._flows.set()
        self._opened: list[socket.socket] = []
        self._lock = threading.Lock()  # of the sockets that are open
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="relay", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._flows.set()
        self.cut()

    def cut(self) -> None:
        """Drop all connections on both sides; new ones are taken."""
        with self._lock:
            opened, self._opened = self._opened, []
        for each in opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def freeze(self) -> None:
        """Pass nothing on any more: both sides take their connections for open."""
        self._flows.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._connect(self._listener.accept()[0])

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:  # it does not listen just now
            client.close()
            return
        with self._lock:
            self._opened += [client, server]
        for pair in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        how = socket.SHUT_WR
        try:
            while data := source.recv(2**16):
                self._flows.wait()
                sink.sendall(data)
        except OSError:
            how = socket.SHUT_RDWR
        self._flows.wait()
        with suppress(OSError):
            sink.shutdown(how)
