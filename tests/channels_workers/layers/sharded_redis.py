"""Redis layers of several shards: what a step does elsewhere is there when it returns."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.redis.shards import RedisShards
from channels_workers.layers.shards.admin import ShardedAdmin
from channels_workers.layers.shards.layer import ShardedLayer
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.types import Delivery, Operation
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import MakeLayer

_numbers = count()


class ShardedRedis(ShardedLayer):
    """Shards in the Redis at *urls*, by their names. Homes take turns."""

    def __init__(self, urls: dict[str, str], **config: Any) -> None:
        layers = {
            name: RedisChannelLayer(hosts=[url], shard=Shard(name, tuple(urls)), **config)
            for name, url in urls.items()
        }
        super().__init__(layers, **config)
        self.shards = RedisShards({name: it.client for name, it in layers.items()})
        self.admin = ShardedAdmin({name: it.admin for name, it in layers.items()})
        self.clock = next(iter(layers.values())).clock
        self._pullers = [Puller(self.shards, name, keeps=0.0) for name in urls]
        self._lock_of_pullers = threading.Lock()
        for layer in layers.values():
            layer.clock = self.clock  # all run on one machine
            layer.find_marks = partial(self.shards.marks, layer.shard or "")
            layer.call_shard = lambda shard, request: layers[shard].client.call(request)
            _after(layer, self.settle)
        self._redis = layers
        self._received: dict[str, list[Content]] = {}

    def choose_home(self) -> str:
        return list(self.by_name)[next(_numbers) % len(self.by_name)]

    def settle(self) -> None:
        """Pull for all shards until nothing is left."""
        with self._lock_of_pullers:
            while True:
                before = sum(puller.pulled for puller in self._pullers)
                for puller in self._pullers:
                    with suppress(LayerUnavailable):
                        puller.step()
                if before == sum(puller.pulled for puller in self._pullers):
                    break
            for puller in self._pullers:
                puller.end()

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        until = time.monotonic() + timeout
        while True:
            for shard in self.all:
                if found := self.pull_from(shard, channels, consumer, count):
                    return found
            if time.monotonic() > until:
                return []
            time.sleep(0.005)

    def begin_history(self, group: str, home: WorkerLayer, shard: WorkerLayer) -> None:
        """The shard does that itself."""

    async def _receive_ordinary(self, channel: str) -> Content:
        received = self._received.setdefault(channel, [])
        if not received:
            waits = [asyncio.ensure_future(each._receive_ordinary(channel)) for each in self.all]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                done = await asyncio.gather(*waits, return_exceptions=True)
                received += [each for each in done if not isinstance(each, BaseException)]
        return received.pop(0)

    async def aapply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        await super().aapply(operations, quick)
        await asyncio.to_thread(self.settle)

    def disconnect(self) -> None:
        for layer in self._redis.values():
            layer.disconnect()


def _after(layer: RedisChannelLayer, settle: Callable[[], None]) -> None:
    """Settle after each step of a worker or an operator on *layer*."""
    names = ("commit", "commit_all", "commit_and_pull", "change_groups", "apply", "resume")
    sides = [(layer, name) for name in names]
    for side, name in [*sides, (layer.admin, "send_due"), (layer.relays, "send_once")]:
        setattr(side, name, _settled(getattr(side, name), settle))


def _settled(step: Callable[..., Any], settle: Callable[[], None]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        result = step(*arguments, **options)
        settle()
        return result

    return run


@pytest.fixture
async def make_layer(redis_servers: dict[str, RedisServer]) -> AsyncIterator[MakeLayer]:
    made: list[ShardedRedis] = []
    for server in redis_servers.values():
        server.start()
        server.flush()
    urls = {str(at): server.url for at, server in enumerate(redis_servers.values())}

    def make(**config: object) -> ShardedRedis:
        made.append(ShardedRedis(urls, **config))
        return made[-1]

    yield make
    for layer in made:
        await layer.retire_server()
        layer.disconnect()
