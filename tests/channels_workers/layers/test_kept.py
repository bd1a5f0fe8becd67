"""Kept connections on both layers."""

from collections.abc import AsyncIterator

import pytest

from channels_workers.layers.memory import InMemoryChannelLayer, Store
from channels_workers.layers.redis import RedisChannelLayer
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import MakeLayer
from tests.channels_workers.layers.kept_contract import (
    KeptContract,
    _resume_time,
    briefly,
    other,
    process,
)

__all__ = ["_resume_time", "briefly", "other", "process"]


class TestMemory(KeptContract):
    """The contract in memory."""

    @pytest.fixture
    def make_layer(self) -> MakeLayer:
        store = Store()
        return lambda **config: InMemoryChannelLayer(store=store, **config)


class TestRedis(KeptContract):
    """The contract in Redis."""

    @pytest.fixture
    async def make_layer(self, redis_server: RedisServer) -> AsyncIterator[MakeLayer]:
        made: list[RedisChannelLayer] = []

        def make(**config: object) -> RedisChannelLayer:
            made.append(RedisChannelLayer(hosts=[redis_server.url], **config))
            return made[-1]

        yield make
        for layer in made:
            await layer.retire_server()
            layer.disconnect()
