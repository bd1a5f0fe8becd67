"""Redis layers of several shards: what a step does elsewhere is there when it returns."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.sharded import ShardedRedisLayer
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.types import Operation
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import MakeLayer

_numbers = count()


class SettledRedis(ShardedRedisLayer):
    """The real layer, with homes that take turns, which pulls after each step."""

    def _connect(self) -> None:
        super()._connect()
        self._pullers = [Puller(self.shards, name, keeps=0.0) for name in self.by_name]
        self._lock_of_pullers = threading.Lock()
        for layer in self.layers.values():
            _after(layer, self.settle)

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

    async def aapply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        await super().aapply(operations, quick)
        await asyncio.to_thread(self.settle)


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
    made: list[SettledRedis] = []
    for server in redis_servers.values():
        server.start()
        server.flush()
    urls = {str(at): server.url for at, server in enumerate(redis_servers.values())}

    def make(**config: object) -> SettledRedis:
        made.append(SettledRedis(urls, RedisChannelLayer, **config))
        return made[-1]

    yield make
    for layer in made:
        await layer.retire_server()
        layer.disconnect()
