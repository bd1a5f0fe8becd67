"""Opens and closes the sockets of all clients."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from picows import WSError, ws_connect

from labs.benchmarks.load.client import Client, Hear, Members

#: How many handshakes, and how many visits to pages, are in flight at once.
AT_ONCE, VISITS_AT_ONCE = 50, 8

#: Time-outs of a handshake, a visit, and the closing of all sockets (s).
OPEN_TIMEOUT, VISIT_TIMEOUT, LEAVE_TIMEOUT = 15.0, 30.0, 3.0

#: Ten thousand sockets have one each.
BUFFER = 4096


class Crowd:
    """*count* clients, spread in turn over *rooms* and *urls*.

    The names of the rooms begin with *run*. *hear* gets each client, which is of this *kind*, with
    each frame.
    """

    def __init__(
        self,
        run: str,
        count: int,
        rooms: int,
        urls: Sequence[str],
        hear: Hear | None = None,
        kind: type[Client] = Client,
    ) -> None:
        self.urls = urls
        self.rooms = [Members(f"{run}-{number}") for number in range(rooms)]
        self.clients: list[Client] = []
        self.failures: Counter[str] = Counter()
        #: Duration of all handshakes together, and of each (s).
        self.seconds = 0.0
        self.handshakes: list[float] = []
        for number in range(count):
            room = self.rooms[number % rooms]
            room.clients.append(kind(number, room, hear or _pass_over))
            self.clients.append(room.clients[-1])

    async def visit(self) -> None:
        """Request the page of each room, which creates the room if rooms are stored."""
        todo = [room.name for room in self.rooms]

        async def work() -> None:
            while todo:
                await asyncio.to_thread(_get, f"{_http(self.urls[0])}/{todo.pop()}/")

        await asyncio.gather(*(work() for _ in range(VISITS_AT_ONCE)))

    async def enter(self) -> None:
        """Open all sockets. Refused ones are counted as failures."""
        todo = self.clients[::-1]

        async def work() -> None:
            while todo:
                await self._open(todo.pop())

        since = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        self.seconds = time.perf_counter() - since

    async def _open(self, client: Client) -> None:
        seat, room = divmod(client.number, len(self.rooms))
        url = self.urls[(seat + room) % len(self.urls)]
        since = time.perf_counter()
        try:
            await open_socket(client, url)
        except (WSError, OSError, TimeoutError) as error:
            self.failures[f"{type(error).__name__}: {error}"] += 1
        else:
            self.handshakes.append(time.perf_counter() - since)

    @property
    def open(self) -> int:
        """The number of open sockets."""
        return sum(room.open for room in self.rooms)

    def dropped(self) -> Counter[str]:
        """Count the sockets that ended unexpectedly, by close code."""
        return Counter(str(client.code) for client in self.clients if client.was_dropped)

    async def leave(self) -> None:
        """Close all sockets."""
        deadline = time.monotonic() + LEAVE_TIMEOUT
        for number, client in enumerate(self.clients):
            client.leave()
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0.005)
        while self.open and time.monotonic() < deadline:  # noqa: ASYNC110  (ten thousand sockets)
            await asyncio.sleep(0.02)
        for client in self.clients:
            client.cut()


async def open_socket(client: Client, url: str) -> None:
    """Open the socket of *client* at *url*, and wait until its room has it.

    WSError, OSError or TimeoutError if that fails.
    """
    await ws_connect(
        lambda: client,
        f"{url}{client.path}",
        websocket_handshake_timeout=OPEN_TIMEOUT,
        extra_headers={"Origin": _http(url), **client.headers},
        read_buffer_init_size=BUFFER,
        proxy=None,
    )
    if not client.has_joined:
        await client.wait_until_joined(OPEN_TIMEOUT)


def _pass_over(client: Client, frame: str) -> None:
    """Ignore a frame."""


def _http(url: str) -> str:
    return f"http://{urlsplit(url).netloc}"


def _get(address: str) -> None:
    with urllib.request.urlopen(address, timeout=VISIT_TIMEOUT) as response:
        response.read()
