"""The Redis layer meets the contract on a real server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from channels_workers.layers.redis import RedisChannelLayer
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import LayerContract, MakeLayer, other, process

__all__ = ["other", "process"]


@pytest.fixture
async def make_layer(redis_server: RedisServer) -> AsyncIterator[MakeLayer]:
    redis_server.client().script_flush()  # each test starts with a Redis that knows no script
    made: list[RedisChannelLayer] = []

    def make(**config: object) -> RedisChannelLayer:
        made.append(RedisChannelLayer(hosts=[redis_server.url], **config))
        return made[-1]

    yield make
    for layer in made:
        await layer.retire_server()
        layer.disconnect()


class TestRedisLayer(LayerContract):
    """The contract."""


async def test_the_age_of_the_oldest_message(make_layer: MakeLayer) -> None:
    layer = make_layer()
    await layer.send("work", {"n": 1})
    await layer.send("work", {"n": 2})
    async with asyncio.timeout(10):
        while not layer.channel_statistics("work")["messages_max_age"]:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert 0 < layer.channel_statistics("work")["messages_max_age"] < 10
    assert 0 < layer.global_statistics()["messages_max_age"] < 10
