"""A bounded queue between a connection and an iterator."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Queue(Generic[T]):
    """Items for one reader, at most *size* of them and about *size_bytes* together.

    A single item may be larger. When it is full, :meth:`put` waits for room.
    """

    def __init__(self, size: int, size_bytes: int) -> None:
        self._size, self._size_bytes = size, size_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._error: Exception | None = None
        self.has_ended = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether :meth:`put` would wait."""
        return bool(self._items) and (
            len(self._items) >= self._size or self._bytes >= self._size_bytes
        )

    async def put(self, item: T, cost: int = 0, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Append *item*, which has *cost* bytes. Return whether there was room within *timeout*.

        After :meth:`end` it is dropped.
        """
        if self.is_full and not self.has_ended:
            try:
                async with asyncio.timeout(timeout):
                    await self._wait_for_room()
            except TimeoutError:
                return False
        if not self.has_ended:
            self._items.append((item, cost))
            self._bytes += cost
            self._changed.set()
        return True

    async def _wait_for_room(self) -> None:
        while self.is_full and not self.has_ended:
            self._has_room.clear()
            await self._has_room.wait()

    async def get(self) -> T:
        """Return the next item, when there is one.

        When all items are read after :meth:`end`, raise its error or ``StopAsyncIteration``.
        """
        while not self._items:
            if self.has_ended:
                raise self._error or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        item, cost = self._items.popleft()
        self._bytes -= cost
        self._has_room.set()
        return item

    def end(self, error: Exception | None = None) -> None:
        """Take no more items; after the last one the reader gets *error*, or just the end."""
        if not self.has_ended:
            self.has_ended, self._error = True, error
            self._changed.set()
            self._has_room.set()
