"""The memory layer with several shards: for tests of what shards promise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.clock import OwnClock
from channels_workers.layers.codec import Content
from channels_workers.layers.memory.histories import History
from channels_workers.layers.memory.shards import MemoryShards, PullsAtOnce
from channels_workers.layers.memory.stores import Stores
from channels_workers.layers.shards.admin import ShardedAdmin
from channels_workers.layers.shards.layer import ShardedLayer
from channels_workers.layers.types import Delivery
from channels_workers.tracing import hooks


class ShardedMemoryLayer(ShardedLayer):
    """A memory layer whose data are *stores*; *make* makes the layer of one of them.

    Steps of one shard have reached the others when they return, unless *pulls* is false: then
    somebody runs a :class:`~channels_workers.layers.shards.puller.Puller` for each shard.
    """

    local_only: ClassVar[bool] = True

    def __init__(
        self,
        stores: Stores,
        make: Callable[..., Any],
        *,
        pulls: bool = True,
        **config: Any,
    ) -> None:
        self._make, self._config, self._pulls = make, config, pulls
        self._turns = count()
        self.stores = stores
        super().__init__(self._make_shards(), **config)
        self.clock = OwnClock()
        self._connect()

    def _make_shards(self) -> dict[str, WorkerLayer]:
        self._layers = {
            name: self._make(store=store, **self._config)
            for name, store in self.stores.by_name.items()
        }
        return dict(self._layers)

    def _connect(self) -> None:
        self.admin = ShardedAdmin({name: it.admin for name, it in self.by_name.items()})
        shards = MemoryShards(self.stores, self.get_capacity)
        self.shards = shards
        shards.is_immediate = self._pulls
        if self._pulls:
            self.stores.logged = PullsAtOnce(shards)

    def __str__(self) -> str:
        return f"InMemoryChannelLayer with {len(self.by_name)} shards"

    def choose_home(self) -> str:
        """Return the shard with the fewest connections, then servers."""

        def load(name: str) -> tuple[int, int]:
            store = self.stores.by_name[name]
            return len(store.records), len(store.of_kind("server"))

        with self.stores.changed:
            return min(self.stores.names, key=load)

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages of any shard; return those of one."""
        deadline = time.monotonic() + timeout
        with self.stores.changed:
            while True:
                for shard in self._in_turn():
                    if found := self.pull_from(shard, channels, consumer, count):
                        return found
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                self.stores.changed.wait(left)

    def _in_turn(self) -> list[WorkerLayer]:
        """Return all shards. Each is the first one in turn, so a busy one delays no other."""
        shards, start = list(self.by_name.values()), next(self._turns) % len(self.by_name)
        return shards[start:] + shards[:start]

    async def _receive_ordinary(self, channel: str) -> Content:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        listener = _waker(loop, arrived)
        stores = self.stores.by_name.values()
        for store in stores:
            store.stream_listeners.add(listener)
        try:
            while True:
                arrived.clear()
                for store in stores:
                    if delivery := store.take(channel):
                        content = self.codec.decode(delivery.payload)
                        content.pop(hooks.CARRIER, None)
                        return content
                await arrived.wait()
        finally:
            for store in stores:
                store.stream_listeners.discard(listener)

    def begin_history(self, group: str, home: WorkerLayer, shard: WorkerLayer) -> None:
        """Begin the copy of a history on *shard*, if its home has no message of it yet."""
        there, here = (self._layers[str(each.shard)].store for each in (home, shard))
        with here.changed:
            if self.histories is None or group in here.histories.by_group:
                return
        with there.changed:
            found = there.histories.get(group)
            self._open(there, group, found)
        if found.last == 0:
            with here.changed:
                self._open(here, group, History(found.epoch))

    def _open(self, store: Any, group: str, history: History) -> None:
        limits = self.histories.limits_of(group) if self.histories is not None else None
        if self.histories is not None and limits is not None:
            now = store.clock()
            store.histories.write(group, history, (), limits, self.histories, now)

    def begin_in_child(self) -> None:
        """Begin with empty stores: copies of the parent's reach no receiver."""
        super().begin_in_child()
        is_cut_off = any(it.is_cut_off or it.store.counters for it in self._layers.values())
        self.stores = Stores(len(self.by_name))
        self.by_name = self._make_shards()
        for layer in self._layers.values():
            layer.is_cut_off = is_cut_off
        self.set_sides()
        self._connect()


def _waker(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    return wake
