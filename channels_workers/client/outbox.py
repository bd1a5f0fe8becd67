"""What a client has sent and the server has not confirmed yet, in order; no I/O.

Entries outlive a lost connection. Each has a nonce, by which the server recognises one that it
already has.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

#: How many random bytes a nonce has.
NONCE_BYTES = 16


def new_nonce() -> str:
    """Return a text that no other client makes."""
    return secrets.token_urlsafe(NONCE_BYTES)


@dataclass(slots=True, eq=False)
class Entry(Generic[T]):
    """A message of the outbox.

    *state* is ``sending`` (on its way, or it waits for a connection), ``waiting`` (held back for a
    while) or ``failed`` (refused, until :meth:`Outbox.retry`). *detail* says why.
    """

    nonce: str
    content: T
    state: Literal["sending", "waiting", "failed"] = "sending"
    detail: str = ""


class Outbox(Generic[T]):
    """Entries that the server has not confirmed, in order.

    To keep them over a restart, store :class:`Entry` objects yourself and pass them as *entries*.
    """

    def __init__(self, entries: Iterable[Entry[T]] = ()) -> None:
        self._entries = {entry.nonce: entry for entry in entries}
        self._sent: dict[str, None] = {}  # nonces, in the order of sending

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter([*self._entries.values()])

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, nonce: object) -> bool:
        return nonce in self._entries

    @property
    def n_under_way(self) -> int:
        """How many entries this connection has sent, without an answer so far."""
        return len(self._sent)

    def add(self, content: T, nonce: str | None = None) -> Entry[T]:
        """Append *content*. It waits behind an entry that is held back, so that the order stays.

        *nonce* is from :func:`new_nonce`, if *content* must contain it. Raises ``ValueError`` for
        one that is in the outbox.
        """
        entry = Entry(nonce or new_nonce(), content)
        if entry.nonce in self._entries:
            raise ValueError(f"The nonce {entry.nonce!r} is in the outbox. Use new_nonce().")
        if any(each.state == "waiting" for each in self._entries.values()):
            entry.state = "waiting"
        self._entries[entry.nonce] = entry
        return entry

    def remove(self, nonce: object) -> Entry[T] | None:
        """Drop the entry: the server has it, or nobody wants it. Return it, None if unknown."""
        if not isinstance(nonce, str):
            return None
        self._sent.pop(nonce, None)
        return self._entries.pop(nonce, None)

    def refuse(self, nonce: str, detail: str = "") -> Entry[T] | None:
        """Keep an entry that the server does not want, as ``failed``; return it."""
        return self._change(nonce, "failed", detail)

    def hold_back(self, nonce: str, detail: str = "") -> Entry[T] | None:
        """Keep an entry that the server wants later, and the entries after it; return it."""
        if nonce not in self._entries:
            return None
        is_after = False
        for entry in self._entries.values():
            is_after = is_after or entry.nonce == nonce
            if is_after and entry.state == "sending":
                entry.state = "waiting"
                self._sent.pop(entry.nonce, None)
        return self._change(nonce, "waiting", detail)

    def release(self) -> list[Entry[T]]:
        """Let the entries that were held back be sent, and return them."""
        waiting = [entry for entry in self._entries.values() if entry.state == "waiting"]
        for entry in waiting:
            entry.state = "sending"
        return waiting

    def retry(self, nonce: str) -> Entry[T] | None:
        """Let a refused entry be sent again; return it. Change its ``content`` before."""
        return self._change(nonce, "sending", "")

    def rewind(self) -> None:
        """Begin with a new connection, on which nothing was sent."""
        self._sent.clear()

    def next_unsent(self) -> Entry[T] | None:
        """Return the first entry to send that this connection has not sent."""
        for entry in self._entries.values():
            if entry.state == "sending" and entry.nonce not in self._sent:
                return entry
        return None

    def note_sent(self, nonce: str) -> None:
        """Note that this connection has sent the entry."""
        if nonce in self._entries:
            self._sent[nonce] = None

    def note_unsent(self, nonce: str) -> None:
        """Note that the entry could not be sent."""
        self._sent.pop(nonce, None)

    def under_way(self) -> list[Entry[T]]:
        """Return the entries that this connection has sent, in the order of sending."""
        return [self._entries[nonce] for nonce in self._sent]

    def _change(
        self, nonce: str, state: Literal["sending", "waiting", "failed"], detail: str
    ) -> Entry[T] | None:
        entry = self._entries.get(nonce)
        if entry is not None:
            entry.state, entry.detail = state, detail
            self._sent.pop(nonce, None)
        return entry
