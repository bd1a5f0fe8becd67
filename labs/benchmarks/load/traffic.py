"""Messages in flight. Each is done when all members of its room have it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from labs.benchmarks.load.account import Account
from labs.benchmarks.load.client import Client
from labs.benchmarks.load.text import Key, compose, read

#: How long to wait for duplicates (s).
LINGER = 0.2


@dataclass(slots=True)
class Message:
    """A message: who sent it and when (s), and how many have yet to receive it."""

    sender: Client
    at: float
    left: int


class Traffic:
    """Sends messages of *size* characters, and counts. *finish* gets each that all received."""

    def __init__(self, run: str, size: int, finish: Callable[[Message], None]) -> None:
        self.run = run
        self.size = size
        self.account = Account()
        self.in_flight: dict[Key, Message] = {}
        #: By message number.
        self.clients: list[Client] = []
        self._finish = finish
        self._all_done = asyncio.Event()
        # Members of a room receive the same text one after the other, so it is parsed once.
        self._text = ""
        self._key: Key | None = None

    def say(self, client: Client) -> None:
        """Let *client* send a message to its room."""
        hearers = client.room.open
        key = self.account.send(client.number, hearers)
        self.in_flight[key] = Message(client, time.perf_counter(), hearers)
        client.send(compose(self.run, key, self.size))

    def hear(self, client: Client, text: str) -> None:
        """Count a frame."""
        if text != self._text:
            self._text, self._key = text, read(self.run, text)
        key = self._key
        if key is None or not self._is_of_room(client, key):
            self.account.foreign += 1
            return
        if not self.account.hear(client.ear, key):
            return
        message = self.in_flight.get(key)
        if message is None:
            return
        message.left -= 1
        if message.left <= 0:
            del self.in_flight[key]
            self._finish(message)
            if not self.in_flight:
                self._all_done.set()

    def _is_of_room(self, client: Client, key: Key) -> bool:
        sender = key[0]
        is_one = 0 <= sender < len(self.clients)
        return is_one and self.clients[sender].room is client.room

    async def wait_until_done(self, patience: float) -> None:
        """Wait until nothing is in flight, at most *patience* (s).

        Duplicates may come later. `linger` waits for them.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.in_flight:
                    self._all_done.clear()
                    await self._all_done.wait()

    async def linger(self) -> None:
        """Wait for duplicates."""
        await asyncio.sleep(LINGER)

    def give_up(self, age: float) -> list[Message]:
        """Abandon messages older than *age* (s), and return them."""
        before = time.perf_counter() - age
        old = [key for key, message in self.in_flight.items() if message.at < before]
        return [self.in_flight.pop(key) for key in old]
