"""Visitors of the pages of a site."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from labs.harness.server import Server

#: Each visitor rests as long between two pages (s).
PAUSE = 0.25

#: Longer than the site accepts.
LARGE = bytes(200_000)

#: How many pages lie between two attempts to send too much, and between two short sockets.
BETWEEN = 8

#: Every third of these sockets is refused.
PATHS = ("/room/lobby/", "/room/lobby/", "/private/")


class Visitor(threading.Thread):
    """Loads the page *path* of the *servers* in turn.

    Now and then it sends too much, and looks into a room.
    """

    def __init__(self, servers: Sequence[Server], path: str) -> None:
        super().__init__(daemon=True)
        self._servers, self._path = servers, path
        self._leaves = threading.Event()

    def run(self) -> None:
        """Visit until the end."""
        number = 0
        while not self._leaves.wait(PAUSE):
            server = self._servers[number % len(self._servers)]
            self._visit(f"{server.url}{self._path}")
            if number % BETWEEN == 0:
                self._visit(f"{server.url}{self._path}", LARGE)
                self._look_in(f"{server.socket_url}{PATHS[number // BETWEEN % len(PATHS)]}")
            number += 1

    def leave(self) -> None:
        """Stop, after the current page."""
        self._leaves.set()
        self.join()

    @staticmethod
    def _visit(address: str, body: bytes | None = None) -> None:
        with (
            suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(address, body, timeout=15) as answer,
        ):
            answer.read()

    @staticmethod
    def _look_in(address: str) -> None:
        with suppress(WebSocketException, OSError), connect(address, open_timeout=15) as socket:
            socket.recv(15)
