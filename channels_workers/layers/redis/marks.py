"""Marks of other shards as they stand in Redis, and what a server has heard by them; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from channels_workers.layers.redis import wire
from channels_workers.layers.shards.heard import Heard
from channels_workers.layers.shards.types import Mark


def read_marks(found: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, Mark]]:
    """Yield shard and mark of each pair; see ``lua/lib/marks.lua``."""
    for shard, value in found:
        if (mark := read_mark(value)) is not None:
            yield shard.decode("utf-8", "backslashreplace"), mark


def read_mark(value: bytes | None) -> Mark | None:
    """Return the mark at the beginning of *value*, None for anything else."""
    epoch, _, rest = (value or b"").partition(b":")
    seq = rest.partition(b":")[0]
    if not wire.is_number(seq):
        return None
    return Mark(epoch.decode("utf-8", "backslashreplace"), int(seq))


def written(heard: Heard) -> str:
    """Return what a server has heard as ``restore.lua`` reads it, with a space before each."""
    return "".join(f" {shard}:{mark}" for shard, mark in heard.marks.items() if mark.epoch)


class MarksHeard:
    """What heartbeats say of the marks of the shard, until its server has *heard* as much."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._newest = ""
        self._marks: Mapping[str, Mark] = {}

    def note(self, said: Sequence[Any], position: str) -> None:
        """Note what the reply to a heartbeat *said*; the server is at *position* in its inbox.

        Once it has processed the entry that was the newest, it has heard up to the marks.
        """
        self._take(position)
        if said and not self._marks:
            self._newest = said[0].decode()
            self._marks = dict(read_marks(zip(said[1::2], said[2::2], strict=True)))
            self._take(position)

    def forget(self) -> None:
        """Forget what the shard said: it has lost its data, and the rest of the inbox with them."""
        self._marks = {}

    def _take(self, position: str) -> None:
        if self._marks and _order(position) >= _order(self._newest):
            self._heard.read_all(self._marks)
            self._marks = {}


def _order(entry: str) -> tuple[int, int]:
    first, _, second = entry.partition("-")
    return int(first or 0), int(second or 0)
