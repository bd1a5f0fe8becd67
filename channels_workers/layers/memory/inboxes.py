"""What servers are to do and have not read yet; the store locks it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from channels_workers.conf import configuration
from channels_workers.layers.types import InboxEntry, InboxOperation


class Inboxes:
    """The entries of each server's inbox; *next_token* names them."""

    def __init__(self, next_token: Callable[[], str]) -> None:
        self.next_token = next_token
        self._entries: dict[str, list[InboxEntry]] = defaultdict(list)

    def add(self, server: str, operations: list[InboxOperation]) -> str:
        """Add an entry; return its id."""
        entry = InboxEntry(self.next_token(), operations)
        self._entries[server].append(entry)
        return entry.id

    def take(self, server: str) -> list[InboxEntry]:
        """Take all entries of a server away."""
        return self._entries.pop(server, [])

    def length(self, server: str) -> int:
        """Return how many entries a server has not read."""
        return len(self._entries.get(server, ()))

    def lagging(self) -> list[str]:
        """Return the servers with more entries, or bytes in them, than the configuration allows."""
        limits = configuration()
        return [
            server
            for server, entries in self._entries.items()
            if len(entries) > limits.INBOX_ENTRIES or size_of(entries) > limits.INBOX_BYTES
        ]


def size_of(entries: Sequence[InboxEntry]) -> int:
    """Return the bytes in the operations of *entries*."""
    return sum(len(operation.value) for entry in entries for operation in entry.operations)
