"""The shard side of the memory layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory.incoming import Incoming
from channels_workers.layers.memory.shard_data import UNKNOWN
from channels_workers.layers.memory.stores import Stores
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.shards.types import (
    Applied,
    Log,
    LogEntry,
    Mark,
    Result,
    ShardFacts,
    ShardState,
)
from channels_workers.layers.types import ProcessInfo


class MemoryShards(LayerShards):
    """The shard side of a layer in *stores*; *capacity_of* returns the capacity of a channel."""

    def __init__(self, stores: Stores, capacity_of: Callable[[str], int]) -> None:
        self.stores = stores
        self._capacity_of = capacity_of

    def names(self) -> Sequence[str]:
        """Return the names of all shards."""
        return self.stores.names

    def claim(self, destination: str, token: str, seconds: float) -> bool:
        """Claim to be the only puller of *destination*."""
        store = self.stores.by_name[destination]
        with store.changed:
            return self.stores.data(destination).claims(token, seconds, store.clock())

    def release(self, destination: str, token: str) -> None:
        """Give up a claim."""
        with self.stores.by_name[destination].changed:
            data = self.stores.data(destination)
            if data.claim[0] == token:
                data.claim = ("", 0.0, 0.0)

    def marks(self, destination: str) -> dict[str, Mark]:
        """Return how far *destination* has applied each log."""
        with self.stores.by_name[destination].changed:
            return dict(self.stores.data(destination).marks)

    def read_log(self, source: str, mark: Mark | None, most: int, timeout: float) -> Log:
        """Return entries after *mark*."""
        store = self.stores.by_name[source]
        with store.changed:
            if timeout:
                store.changed.wait_for(lambda: self._read(source, mark, 1).entries, timeout)
            return self._read(source, mark, most)

    def _read(self, source: str, mark: Mark | None, most: int) -> Log:
        log = self.stores.data(source).log
        after = mark.seq if mark is not None and mark.epoch == log.epoch else 0
        return Log(log.epoch, log.after(after, most), log.first)

    def apply(
        self, destination: str, token: str, source: str, epoch: str, entries: Sequence[LogEntry]
    ) -> Applied:
        """Apply *entries*; see ``apply.lua``."""
        store, data = self.stores.by_name[destination], self.stores.data(destination)
        with store.changed:
            if (refused := data.refusal(token, source, epoch)) is not None:
                return refused
            mark = data.marks.get(source)
            after = mark.seq if mark is not None and mark.epoch == epoch else 0
            new = [entry for entry in entries if entry.seq > after]
            if not new:
                return Applied(Result.REPEATED, mark)
            if new[0].seq != after + 1:
                return Applied(Result.GAP, mark)
            plan = Incoming(store, self._capacity_of)
            if mark is not None and mark.epoch != epoch:
                plan.tell_gap(source, Mark(epoch, 0), UNKNOWN)
            for entry in new:
                plan.add_entry(source, epoch, entry, destination)
            applied = data.advance(source, Mark(epoch, new[-1].seq))
            plan.write()
            return applied

    def note_gap(self, destination: str, token: str, source: str, mark: Mark) -> Applied:
        """Raise the mark over lost entries; see ``note_gap.lua``."""
        store, data = self.stores.by_name[destination], self.stores.data(destination)
        with store.changed:
            if (refused := data.refusal(token, source, mark.epoch)) is not None:
                return refused
            known = data.marks.get(source)
            if known is None:
                return data.advance(source, mark)
            is_same = known.epoch == mark.epoch
            after = known.seq if is_same else 0
            if is_same and mark.seq <= after:
                return Applied(Result.REPEATED, known)
            plan = Incoming(store, self._capacity_of)
            lost = f"{mark.epoch}:{after + 1}-{mark.seq}" if is_same else UNKNOWN
            plan.tell_gap(source, mark, lost)
            applied = data.advance(source, mark)
            plan.write()
            return applied

    def look(self, shard: str) -> ShardFacts:
        """Return what *shard* says."""
        store, data = self.stores.by_name[shard], self.stores.data(shard)
        with store.changed:
            holder, since, duration = data.claim
            is_claimed = since <= store.clock() < since + duration
            return ShardFacts(
                dict(data.states),
                Mark(data.log.epoch, data.log.last),
                len(data.log.entries),
                data.log.size,
                data.log.dropped,
                dict(data.marks),
                holder if is_claimed else "",
            )

    def processes(self, shard: str) -> dict[str, ProcessInfo]:
        """Return the registered processes."""
        store = self.stores.by_name[shard]
        with store.changed:
            return {name: store.process_info[name] for name in store.counters}

    def note_state(self, shard: str, other: str, state: ShardState) -> None:
        """Note the state of *other* on *shard*."""
        with self.stores.by_name[shard].changed:
            self.stores.data(shard).states[other] = state

    def trim(self, source: str, destination: str, mark: Mark) -> None:
        """Delete what no shard needs."""
        with self.stores.by_name[source].changed:
            data = self.stores.data(source)
            if data.log.epoch == mark.epoch:
                data.log.trim(destination, mark.seq, data.others)


class PullsAtOnce:
    """Pulls for all shards at the end of each step that has logged something, as no thread does."""

    def __init__(self, shards: MemoryShards) -> None:
        self._changed = shards.stores.changed
        self.pullers = [Puller(shards, name) for name in shards.names()]
        self._is_pulling = False

    def __call__(self) -> None:
        """Pull until nothing is left."""
        with self._changed:
            if self._is_pulling:
                return
            self._is_pulling = True
            try:
                while sum(map(_has_pulled, self.pullers)):
                    pass
            finally:
                self._is_pulling = False


def _has_pulled(puller: Puller) -> bool:
    before = puller.pulled
    try:
        _ = puller.step() or puller.step()  # with a new token, if the shard has lost its data
    except LayerUnavailable:  # it goes on after the shard is back
        return False
    return puller.pulled > before
