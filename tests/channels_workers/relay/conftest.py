"""Shared by the tests of stored sends.

layer
    The default layer, in memory or in a real Redis. Workers relay the default database.
out
    `out()` takes what has arrived in the channel `out`, as a list of texts.
relay
    A relay of the default database to this layer.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from channels.layers import channel_layers
from django.db import OperationalError
from pytest_django import Settings

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import Finished, ProcessInfo
from channels_workers.models import StoredSend
from channels_workers.relay.relay import Relay
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.conftest import MEMORY

OUT = "out"

REDIS = "channels_workers.layers.redis.RedisChannelLayer"

Out = Callable[..., list[Any]]
T = TypeVar("T")


@pytest.fixture(params=["memory", "redis"])
def layer(request: pytest.FixtureRequest, settings: Settings) -> Iterator[WorkerLayer]:
    if request.param == "memory":
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}}
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        config = {"hosts": [server.url]}
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": config}}
    settings.CHANNEL_WORKERS = {"RELAY": ["default"]}
    made = channel_layers["default"]
    made.register("0123456789abcdef", ProcessInfo.this("worker", 1, [OUT]))
    yield made
    if isinstance(made, RedisChannelLayer):
        asyncio.run(made.retire_server())
        made.disconnect()


@pytest.fixture
def out(layer: WorkerLayer) -> Out:
    def take(channel: str = OUT) -> list[Any]:
        found = layer.pull([channel], "0123456789abcdef.0", 0.01, 1000)
        for each in found:
            layer.commit(Finished(each))
        return [layer.content(each)["text"] for each in found]

    return take


@pytest.fixture
def relay(layer: WorkerLayer) -> Relay:
    return Relay("default", layer, "default")


def waiting() -> int:
    """How many sends are stored."""
    return patiently(StoredSend.objects.count)


def patiently(act: Callable[[], T]) -> T:
    """What `act()` returns, when no other thread writes to the database.

    No time-out waits for that in the test database, which is in memory.
    """
    found: list[T] = []

    def tried() -> bool:
        try:
            found.append(act())
        except OperationalError as error:
            if "locked" not in str(error):
                raise
        return bool(found)

    wait_for(tried, "a database that is not locked")
    return found[0]
