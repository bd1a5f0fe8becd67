"""What the clients of a server have not read, and which of them are cut for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from channels_workers.log_limits import Episodes

#: How much a client may have left unread before it counts as one that reads slowly (bytes).
COUNTED = 64 * 1024


class Reader(Protocol):
    """The way out to a client that may read slowly."""

    @property
    def overflow(self) -> Callable[[], None]:
        """Cut the client."""

    def unsent(self) -> int:
        """Return how many bytes wait for the client."""


class Unread:
    """What the clients of a server have not read, all together: those with most of it are cut.

    Sizes are those of the last look; a new look precedes each cut.
    """

    def __init__(self, episodes: Episodes | None = None) -> None:
        self.episodes = Episodes() if episodes is None else episodes
        self._sizes: dict[Reader, int] = {}
        self._total = 0

    @property
    def total(self) -> int:
        """How many bytes it was at the last look, of clients with more than :data:`COUNTED`."""
        return self._total

    def note(self, reader: Reader, size: int, limit: int) -> None:
        """Note *size* of a client; cut those with most if all have more than *limit* now."""
        self._set(reader, size)
        if self._total > limit:
            for each in list(self._sizes):
                self._set(each, each.unsent())
            if self._total > limit:
                self._cut_down_to(limit * 3 // 4)

    def _set(self, reader: Reader, size: int) -> None:
        self._total += size - self._sizes.pop(reader, 0)
        if size > COUNTED:
            self._sizes[reader] = size
        else:
            self._total -= size

    def _cut_down_to(self, aim: int) -> None:
        for each in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True):
            if self._total <= aim:
                return
            self._set(each, 0)
            each.overflow()

    def forget(self, reader: Reader) -> None:
        """Note that a client has gone."""
        self._total -= self._sizes.pop(reader, 0)
