"""A running interface server, and people in chat rooms."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from labs.harness.processes import Process


@dataclass
class Server:
    """A running server: its port, its process and its kind."""

    port: int
    process: Process
    kind: str = "daphne"

    @property
    def url(self) -> str:
        """The address of its pages, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        """The address of its sockets, without a trailing slash."""
        return f"ws://127.0.0.1:{self.port}"

    def get(self, path: str, timeout: float = 60) -> str:
        """The body of a page. Raises urllib's HTTPError for an error status."""
        response: HTTPResponse
        with urllib.request.urlopen(self.url + path, timeout=timeout) as response:
            return response.read().decode()

    def probe(self, path: str, timeout: float = 60) -> tuple[int, dict[str, str]]:
        """Status and checks of a health endpoint."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as response:
                return response.status, json.load(response)["checks"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["checks"]

    @contextmanager
    def join(self, label: str, **options: Any) -> Iterator["Person"]:
        """Visit the room, which creates it, and open its socket as a page does."""
        self.get(f"/{label}/")
        given: dict[str, Any] = {
            "origin": Origin(self.url),
            "open_timeout": 60,
            "ping_interval": None,  # a slow server is not a dead one
            "max_size": None,
        }
        with connect(f"{self.socket_url}/chat/{label}/", **(given | options)) as socket:
            yield Person(socket)

    def stop(self) -> None:
        """Stop the server."""
        self.process.stop()


@dataclass
class Person:
    """Somebody in a room, with the socket of the page."""

    socket: ClientConnection
    seen: list[dict[str, Any]] = field(default_factory=list)

    def say(self, message: str, handle: str = "ann", **more: Any) -> None:
        """Send a message without waiting for its echo."""
        self.socket.send(json.dumps({"handle": handle, "message": message} | more))

    def hear(self, timeout: float = 60) -> dict[str, Any]:
        """The next chat message. Frames of other types are only recorded in `seen`."""
        while True:
            frame: dict[str, Any] = json.loads(self.socket.recv(timeout))
            self.seen.append(frame)
            if frame.get("type", "message") == "message":
                return frame

    def hear_message(self, pattern: str, timeout: float = 60) -> dict[str, Any]:
        """The next chat message whose text matches the regular expression."""
        while not re.search(pattern, (frame := self.hear(timeout))["message"]):
            pass
        return frame
