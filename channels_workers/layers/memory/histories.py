"""The histories of groups in a memory layer; see ``lib/history.lua``."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from channels_workers.layers.history import (
    HISTORY_COST,
    MESSAGE_COST,
    OLDEST,
    Histories,
    Limits,
    Position,
)
from channels_workers.layers.types import new_id


class Kept(NamedTuple):
    """A message that was sent *at* a time (s since 1970)."""

    at: float
    payload: bytes


@dataclass
class History:
    """The newest messages of a group; *last* is the offset of the newest, *size* in bytes."""

    epoch: str = field(default_factory=new_id)
    last: int = 0
    size: int = 0
    used_at: float = 0.0
    kept: deque[Kept] = field(default_factory=deque)

    @property
    def position(self) -> Position:
        """The position of the newest message."""
        return Position(self.epoch, self.last)

    def add(self, payload: bytes, now: float) -> None:
        """Keep a message."""
        self.kept.append(Kept(now, payload))
        self.last += 1
        self.size += len(payload) + MESSAGE_COST

    def trim(self, limits: Limits, now: float) -> None:
        """Delete the messages that are too many, too large together, or too old."""
        while self.kept and (
            len(self.kept) > limits.messages
            or self.size > limits.size
            or self.kept[0].at <= now - limits.seconds
        ):
            self.size -= len(self.kept.popleft().payload) + MESSAGE_COST

    def missed(self, since: Position | str | None) -> list[tuple[Position, bytes]] | None:
        """Return the messages after *since*, as in a ``Resume``; None if some are missing."""
        first = self.last - len(self.kept)  # the offset before the messages that are kept
        if since is None:
            after = self.last
        elif since == OLDEST:
            after = first
        elif isinstance(since, str) or since.epoch != self.epoch:
            return None
        else:
            after = since.offset
        if not first <= after <= self.last:
            return None
        found = list(self.kept)[after - first :]
        return [
            (Position(self.epoch, offset), kept.payload)
            for offset, kept in enumerate(found, after + 1)
        ]


class MemoryHistories:
    """All histories, those used least recently first; the caller holds the lock of the store."""

    def __init__(self) -> None:
        self.by_group: OrderedDict[str, History] = OrderedDict()
        self.size = 0

    def get(self, group: str) -> History:
        """Return the history of *group*, or a new one, which :meth:`write` adds."""
        return self.by_group.get(group) or History()

    def write(
        self,
        group: str,
        history: History,
        payloads: Sequence[bytes],
        limits: Limits,
        histories: Histories,
        now: float,
    ) -> None:
        """Keep *payloads*, which were sent *now*, in *history*; forget what exceeds a limit."""
        self.size -= self._size_of(self.by_group.get(group))
        for payload in payloads:
            history.add(payload, now)
        history.trim(limits, now)
        history.used_at = now
        self.by_group[group] = history
        self.by_group.move_to_end(group)
        self.size += self._size_of(history)
        self._forget(group, histories, now)

    def _forget(self, used: str, histories: Histories, now: float) -> None:
        while (group := next(iter(self.by_group))) != used:
            oldest = self.by_group[group]
            if self.size <= histories.size and oldest.used_at > now - histories.life:
                return
            self.size -= self._size_of(oldest)
            del self.by_group[group]

    @staticmethod
    def _size_of(history: History | None) -> int:
        return 0 if history is None else history.size + HISTORY_COST

    def clear(self) -> None:
        """Forget all histories."""
        self.by_group.clear()
        self.size = 0
