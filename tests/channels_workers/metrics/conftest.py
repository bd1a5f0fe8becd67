"""Shared by the tests of metrics.

instruments
    New instruments, with which everything records that the test makes.
sample
    `sample(name, **labels)` is the value of a sample of these instruments, None without one. The
    name has no `channels_workers_` in front.
layer
    The default layer: in memory, and in Redis.
"""

from collections.abc import Iterator
from typing import Protocol

import pytest
from channels.layers import channel_layers
from pytest_django import Settings

from channels_workers import recorder
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.metrics.beginning import begin
from channels_workers.metrics.instruments import Instruments
from labs.harness.redis_server import RedisServer

REDIS = "channels_workers.layers.redis.RedisChannelLayer"


class Sample(Protocol):
    """Reads one sample. The docstring of this module has details."""

    def __call__(self, name: str, **labels: str) -> float | None: ...


@pytest.fixture
def instruments() -> Iterator[Instruments]:
    recorder.use(None)
    yield begin()
    recorder.use(None)


@pytest.fixture
def sample(instruments: Instruments) -> Sample:
    def read(name: str, **labels: str) -> float | None:
        return instruments.registry.get_sample_value(f"channels_workers_{name}", labels)

    return read


@pytest.fixture(params=["memory", "redis"])
def layer(
    request: pytest.FixtureRequest, settings: Settings, memory_layer: InMemoryChannelLayer
) -> Iterator[WorkerLayer]:
    if request.param == "memory":
        yield memory_layer
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    config = {"hosts": [server.url]}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": config}}
    made = channel_layers["default"]
    assert isinstance(made, RedisChannelLayer)
    yield made
    made.disconnect()
