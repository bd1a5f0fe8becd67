"""What processes record about Redis."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions
from channels.layers import channel_layers
from pytest_django import Settings

from channels_workers import exporter
from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.hosts import kind_of
from channels_workers.layers.types import ProcessInfo
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.consumers import TIMEOUT, Counted, StartGroup
from tests.channels_workers.metrics.conftest import REDIS, Sample


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_layer(
    server: RedisServer, settings: Settings, memory_layer: InMemoryChannelLayer
) -> Iterator[RedisChannelLayer]:
    # It takes the place of the memory layer, which `start_group` needs.
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": {"hosts": [server.url]}}}
    layer = channel_layers["default"]
    assert isinstance(layer, RedisChannelLayer)
    yield layer
    layer.disconnect()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis.exceptions.TimeoutError(), "timeout"),
        (TimeoutError(), "timeout"),
        (redis.exceptions.ConnectionError(), "connection"),
        (ConnectionRefusedError(), "connection"),
        (redis.exceptions.AuthenticationError("WRONGPASS"), "refused"),
        (redis.exceptions.NoPermissionError("NOPERM"), "refused"),
        (redis.exceptions.BusyLoadingError("LOADING"), "refused"),
        (redis.exceptions.OutOfMemoryError("OOM"), "refused"),
        (ValueError(), "other"),
    ],
)
def test_kinds_of_errors(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


def test_scripts_are_timed(sample: Sample, redis_layer: RedisChannelLayer) -> None:
    for _ in range(3):
        Channel("one").send({})
    assert sample("redis_request_seconds_count", script="send") == 3
    assert sample("redis_request_seconds_count", script="commit") is None


async def test_scripts_of_a_server_are_timed(
    sample: Sample, redis_layer: RedisChannelLayer
) -> None:
    redis_layer.start_server()
    await redis_layer.first_attempt()
    for _ in range(3):
        await redis_layer.aapply([redis_layer.make_send("one", {})])
    assert sample("redis_request_seconds_count", script="send") == 3
    await redis_layer.retire_server()


@pytest.mark.django_db
def test_errors_and_reconnections(
    sample: Sample, redis_layer: RedisChannelLayer, server: RedisServer, start_group: StartGroup
) -> None:
    consumer = Counted()
    start_group({"one": consumer}, redis_layer)
    Channel("one").send({})
    assert consumer.got_one.wait(TIMEOUT)
    assert sample("epoch_changes_total") == sample("redis_reconnects_total") == 0
    assert sample("redis_errors_total", kind="connection") == 0
    consumer.got_one.clear()
    server.stop()
    wait_for(lambda: sample("redis_errors_total", kind="connection"), "an error")
    server.start()
    wait_for(lambda: sample("epoch_changes_total") == 1, "a new epoch", TIMEOUT)
    wait_for(lambda: sample("redis_reconnects_total"), "a connection", TIMEOUT)
    # Sends wait for the end of the recovery.
    wait_for(lambda: try_to_send("one"), "the end of the recovery", TIMEOUT)
    assert consumer.got_one.wait(TIMEOUT)
    assert sample("epoch_changes_total") == 1


def try_to_send(channel: str) -> bool:
    try:
        Channel(channel).send({}, immediately=True)
    except LayerUnavailable:
        return False
    return True


def test_an_error_of_redis_is_refused(
    sample: Sample, redis_layer: RedisChannelLayer, server: RedisServer
) -> None:
    with server.client() as client:
        client.config_set("requirepass", "secret")
    with pytest.raises(LayerUnavailable):
        redis_layer.check_server()
    assert sample("redis_errors_total", kind="refused")  # a scrape meets it, too


def test_a_second_registration_in_the_same_epoch_is_no_change(
    sample: Sample, redis_layer: RedisChannelLayer
) -> None:
    for name in ("one", "two"):
        redis_layer.register(name, ProcessInfo.this("worker"))
    assert sample("epoch_changes_total") == 0


async def test_a_server_that_registers_again(
    sample: Sample, redis_layer: RedisChannelLayer, server: RedisServer
) -> None:
    redis_layer.start_server()
    await redis_layer.first_attempt()
    server.flush()
    await asyncio.to_thread(
        wait_for, lambda: sample("epoch_changes_total") == 1, "a new epoch", TIMEOUT
    )
    await redis_layer.retire_server()


@pytest.mark.parametrize("role", ["worker", "server"])
def test_the_process_and_the_clock(
    role: str, sample: Sample, redis_layer: RedisChannelLayer
) -> None:
    release = ProcessInfo.this(role).release
    exporter.joined(role, redis_layer)
    labels: dict[str, Any] = {"release": release, "format": str(FORMAT_VERSION)}
    assert sample("process_info", role=role, **labels) == 1
    wait_for(lambda: sample("clock_error_seconds") is not None, "the clock")
    error = sample("clock_error_seconds")
    assert error is not None
    assert 0 < error < 10
