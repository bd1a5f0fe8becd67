"""Kept connections on both layers."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from channels_workers.layers.redis import RedisChannelLayer
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import MakeLayer
from tests.channels_workers.layers.kept_contract import (
    KeptContract,
    KeptProcess,
    _resume_time,
    briefly,
    other,
    process,
)
from tests.channels_workers.layers.memory_layers import data, make_layer

__all__ = ["_resume_time", "briefly", "data", "make_layer", "other", "process"]


class TestMemory(KeptContract):
    """The contract in memory."""


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

    async def test_nobody_waits_for_a_server_that_is_cut_off(
        self, process: KeptProcess, other: KeptProcess
    ) -> None:
        """Nobody has marked it dead yet. If it lives, it learns that its connection has moved."""
        old = await process.open()
        server = await process.server()
        layer = process.layer
        assert isinstance(layer, RedisChannelLayer)
        await until(lambda: _subscribers(layer, server) == 1)
        layer._registrations.lifeline.end()
        await until(lambda: _subscribers(layer, server) == 0)
        new = await other.adopt(old)
        assert new.adopted[0].former == ""
        assert new.adopted[0].is_gap
        await until(lambda: old.handed_over == [0])


def _subscribers(layer: RedisChannelLayer, server: str) -> int:
    held = layer.client.redis.hexists(layer.client.key("lifelines"), server)
    channel = layer.client.key(f"lifeline:{server}")
    [(_, count)] = layer.client.redis.pubsub_numsub(channel)  # type: ignore[no-untyped-call]
    return int(count) if held else -1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
