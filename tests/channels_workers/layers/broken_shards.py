"""Shards without one of the parts that keep their promises. The machine must notice each."""

from collections.abc import Sequence
from typing import Any

from channels_workers.layers.memory.shards import MemoryShards
from channels_workers.layers.shards.types import Applied, LogEntry, Mark, Result


class WithoutMark(MemoryShards):
    """Effects without a mark, which rises in a step of its own, if the puller lives to make it."""

    def apply(
        self, destination: str, token: str, source: str, epoch: str, entries: Sequence[LogEntry]
    ) -> Applied:
        data = self.stores.data(destination)
        before = dict(data.marks), dict(data.own)
        applied = super().apply(destination, token, source, epoch, entries)
        if applied.result is Result.APPLIED:
            data.marks, data.own = before
        return applied


class WithoutEpoch(MemoryShards):
    """A mark counts in each epoch."""

    def marks(self, destination: str) -> dict[str, Mark]:
        found = super().marks(destination)
        logs = {source: self.stores.data(source).log for source in found}
        return {source: Mark(logs[source].epoch, mark.seq) for source, mark in found.items()}

    def apply(self, destination: str, token: str, source: str, epoch: str, *rest: Any) -> Applied:
        self._forget_epoch(destination, source, epoch)
        return super().apply(destination, token, source, epoch, *rest)

    def note_gap(self, destination: str, token: str, source: str, mark: Mark) -> Applied:
        self._forget_epoch(destination, source, mark.epoch)
        return super().note_gap(destination, token, source, mark)

    def _forget_epoch(self, destination: str, source: str, epoch: str) -> None:
        marks = self.stores.data(destination).marks
        if source in marks:
            marks[source] = Mark(epoch, marks[source].seq)


class WithoutLease(MemoryShards):
    """Any puller may write."""

    def apply(self, destination: str, token: str, *rest: Any) -> Applied:
        return super().apply(destination, self.stores.data(destination).claim[0], *rest)

    def note_gap(self, destination: str, token: str, *rest: Any) -> Applied:
        return super().note_gap(destination, self.stores.data(destination).claim[0], *rest)


class WithoutPast(MemoryShards):
    """An epoch that is over may come again."""

    def apply(self, destination: str, *rest: Any) -> Applied:
        self.stores.data(destination).past.clear()
        return super().apply(destination, *rest)
