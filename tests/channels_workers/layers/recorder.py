"""A receiver that records messages and lets tests wait for them."""

import asyncio
from collections.abc import Callable
from typing import Any

from channels_workers.layers.types import ConnectionSnapshot

TIMEOUT = 60


class Recorder:
    """Stands in for a socket. Records `messages`, `releases`, `ends` and `lost`."""

    def __init__(self) -> None:
        self.channel = ""
        self.messages: list[dict[str, Any]] = []
        self.releases: list[int] = []
        self.ends = 0
        self.lost = False
        self._changed = asyncio.Event()

    def deliver(self, content: dict[str, Any], to_group: bool = False) -> None:
        self.messages.append(content)
        self._changed.set()

    def release(self, order: int) -> None:
        self.releases.append(order)
        self._changed.set()

    def evicted(self) -> None:
        self.lost = True
        self._changed.set()

    def end_told(self) -> None:
        self.ends += 1
        self._changed.set()

    def snapshot(self) -> ConnectionSnapshot | None:
        return ConnectionSnapshot(0, b"")

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until `condition()` is true."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                await self._changed.wait()
                self._changed.clear()

    async def until_got(self, *messages: dict[str, Any]) -> None:
        """Wait for as many messages as given, and compare them."""
        await self.until(lambda: len(self.messages) >= len(messages))
        assert self.messages == list(messages)
