"""A person in a room of the chat, who keeps what the page would keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed

from tests.processes.server import Server


class Chatter:
    """Says *count* messages, each with a nonce, and hears until told that it is enough."""

    def __init__(self, server: Server, room: str, name: str, count: int, pause: float) -> None:
        self.server, self.room, self.name = server, room, name
        self.count, self.pause = count, pause
        self.heard: list[str] = []
        self.times: list[float] = []
        self.dropped = False
        self.is_there = threading.Event()
        self._speaker = threading.Thread(target=self._speak, daemon=True)

    @property
    def nonces(self) -> list[str]:
        """The nonces of what it says."""
        return [f"{self.name}-{number}" for number in range(self.count)]

    def _speak(self) -> None:
        for nonce in self.nonces:
            self.times.append(time.monotonic())
            self.person.say("hello", handle=self.name, nonce=nonce)
            time.sleep(self.pause)

    def live(self, everybody: threading.Barrier, is_enough: Callable[[], bool]) -> None:
        """Join the room, wait for everybody, talk and listen."""
        with self.server.join(self.room) as self.person:
            everybody.wait()
            self._speaker.start()
            try:
                while not is_enough():
                    try:
                        self.heard.append(self.person.hear(timeout=0.5)["nonce"])
                    except TimeoutError:
                        continue
            except ConnectionClosed:
                self.dropped = True
