"""HTTP clients in threads: what each received, and how its request ended."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, IncompleteRead

from labs.harness.server import Server

#: Time-out of an answer, and of each part of it (s).
TIMEOUT = 60.0


class Requester:
    """One request to *server*, in a thread that begins at once.

    *status* is 0 without an answer. *received* is the body so far, and *is_whole* says whether HTTP
    told that this is all of it. *slowness* is a pause after each part (s).
    """

    def __init__(self, server: Server, method: str, path: str, slowness: float = 0.0) -> None:
        self.path = path
        self.status = 0
        self.received = b""
        self.is_whole = False
        self.trouble = ""
        self._method = method
        self._slowness = slowness
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def describe(self) -> str:
        """Return how it ended."""
        end = "whole" if self.is_whole else self.trouble or "not ended"
        return f"{self._method} {self.path}: {self.status}, {len(self.received)} bytes, {end}"

    def _run(self) -> None:
        try:
            self._connection.request(self._method, self.path)
            response = self._connection.getresponse()
            self.status = response.status
            while part := response.read1(2**16):
                self.received += part
                threading.Event().wait(self._slowness)
            # A body that ends too early has no error in read1 if its length was given.
            self.is_whole = response.isclosed() and not response.length
        except IncompleteRead:
            self.trouble = "broken"
        except (OSError, HTTPException) as error:
            self.trouble = type(error).__name__
        finally:
            self._connection.close()


class Uploader:
    """A client that sends the head of an upload and *sent* bytes of *size*, and may leave."""

    def __init__(self, server: Server, path: str, size: int, sent: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
        head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        self._socket.sendall(head.encode() + bytes(sent))

    def leave(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
