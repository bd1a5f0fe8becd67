"""Values of the whole site, and what a scrape shows while the layer is away."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError
from prometheus_client import CollectorRegistry, generate_latest
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.status import ChannelStatus, Status
from channels_workers.layers.types import ProcessInfo
from channels_workers.metrics import reading, site, stored
from channels_workers.metrics.instruments import Instruments
from channels_workers.metrics.labels import MOST_VALUES, OTHER
from channels_workers.metrics.reading import Reading
from channels_workers.metrics.site import Site
from channels_workers.metrics.stored import StoredSendsCollector
from channels_workers.relay import status
from channels_workers.relay.relay import Relay
from labs.harness.ports import free_port
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.metrics.conftest import Sample


@pytest.fixture
def redis(tmp_path: Any, settings: Settings) -> Iterator[RedisServer]:
    """A Redis of this test, behind the default layer."""
    server = RedisServer(tmp_path, port=free_port())
    server.start()
    yield server
    server.stop()


def of(layer: Any) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Site(lambda: layer))
    return registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"channels_workers_{name}", labels)


def test_the_site(layer: WorkerLayer, sample: Sample) -> None:
    layer.register("own", ProcessInfo.this("worker", 4, ["one", "two"]))
    for _ in range(3):
        Channel("one").send({})
    Channel("two").send({}, delay=60)
    assert len(layer.pull(["one"], "own.0", 5)) == 1
    assert sample("layer_available") == 1
    assert sample("channel_messages", channel="one", state="waiting") == 2
    assert sample("channel_messages", channel="one", state="in_flight") == 1
    assert sample("channel_workers", channel="one") == 1
    oldest = sample("channel_oldest_seconds", channel="one")
    assert oldest is not None
    assert oldest == sample("oldest_message_seconds") >= 0
    assert sample("threads") == 4
    assert sample("busy_share") == 0.25
    assert sample("delayed_messages") == 1
    assert sample("dead_letters_kept") == sample("layer_recovering") == 0


def test_queues_of_tasks(memory_layer: InMemoryChannelLayer, sample: Sample) -> None:
    for channel in ("tasks.mail", "tasks.mail.high", "tasks.default.low"):
        Channel(channel).send({})
    assert sample("tasks_waiting", queue="mail") == 2
    assert sample("tasks_waiting", queue="default") == 1


class Channels:
    """A layer with these channels, and its own admin."""

    def __init__(self, channels: list[ChannelStatus]) -> None:
        self.admin, self.asked = self, 0
        self._channels = channels

    def status(self) -> Status:
        self.asked += 1
        return Status(channels=self._channels)


def test_channels_are_bounded_and_those_with_workers_are_shown() -> None:
    names = [f"board.{number}" for number in range(MOST_VALUES + 50)]
    channels = [ChannelStatus(name, 1, 1, 2.5) for name in names]
    registry = of(Channels([*channels, ChannelStatus("zebra", 7, 0, 1.0, workers=3)]))
    assert value(registry, "channel_messages", channel="zebra", state="waiting") == 7
    assert value(registry, "channel_messages", channel="board.0", state="waiting") == 1
    assert value(registry, "channel_messages", channel=OTHER, state="waiting") == 50
    assert value(registry, "channel_messages", channel=OTHER, state="in_flight") == 50
    assert value(registry, "channel_oldest_seconds", channel=OTHER) == 2.5
    lines = generate_latest(registry).decode().splitlines()
    shown = [line for line in lines if line.startswith("channels_workers_channel_messages{")]
    assert len(shown) == 2 * (MOST_VALUES + 2)


def test_scrapes_at_the_same_time_ask_once() -> None:
    layer = Channels([])
    registry = of(layer)
    scrapes = [threading.Thread(target=generate_latest, args=[registry]) for _ in range(8)]
    for each in scrapes:
        each.start()
    for each in scrapes:
        each.join()
    assert layer.asked == 1


def test_a_layer_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    class Hangs(Channels):
        def status(self) -> Status:
            goes_on.wait(60)
            return super().status()

    monkeypatch.setattr(site, "PATIENCE", 0.05)
    monkeypatch.setattr(reading, "SHARED_FOR", 0.0)
    layer = Hangs([])
    registry = of(layer)
    for _ in range(3):
        assert value(registry, "layer_available") == 0
    assert value(registry, "threads") is None
    goes_on.set()
    wait_for(lambda: value(registry, "layer_available") == 1, "the layer")
    assert layer.asked <= 3, "no scrape asks while another one waits"


def test_an_outage_of_redis_is_silent(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SHARED_FOR", 0.0)
    layer = RedisChannelLayer(hosts=[redis.url])
    registry = of(layer)
    assert value(registry, "layer_available") == 1
    redis.stop()
    caplog.clear()
    began = time.monotonic()
    for _ in range(3):
        assert value(registry, "layer_available") == 0
    assert value(registry, "threads") is None
    assert time.monotonic() - began < 4 * 2
    assert [each for each in caplog.records if each.levelno >= logging.INFO] == []
    redis.start()
    wait_for(lambda: value(registry, "layer_available") == 1, "Redis")
    layer.disconnect()


def test_an_error_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SHARED_FOR", 0.0)
    answers: list[int | Exception] = [ValueError("no"), ValueError("no"), 1, ValueError("no")]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    shared = Reading("a number", read)
    found = []
    for _ in range(4):
        found.append(shared.result(time.monotonic() + 60))
    assert found == [None, None, 1, None]
    lines = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert lines == ["Metrics lack a number: ValueError: no"] * 2


# Stored sends


@pytest.mark.django_db(transaction=True)
def test_stored_sends(
    memory_layer: InMemoryChannelLayer,
    instruments: Instruments,
    sample: Sample,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "SHARED_FOR", 0.0)
    instruments.add(StoredSendsCollector())
    assert sample("stored_sends") is None
    settings.CHANNEL_WORKERS = {"RELAY": ["default"]}
    assert sample("stored_sends") == sample("stored_sends_oldest_seconds") == 0
    for _ in range(3):
        Channel("one").send({}, in_transaction="default")
    wait_for(lambda: sample("stored_sends") == 3, "another look")
    oldest = sample("stored_sends_oldest_seconds")
    assert oldest is not None
    assert 0 <= oldest < 60
    monkeypatch.setattr(status, "COUNTED", 2)
    wait_for(lambda: sample("stored_sends") == 2, "a bounded count")
    Relay("default", memory_layer, "default").look()
    wait_for(lambda: sample("stored_sends") == 0, "another look")
    assert sample("stored_sends_relayed_total") == 3


def test_a_database_that_is_away(
    instruments: Instruments, sample: Sample, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(using: str) -> None:
        raise DatabaseError(using)

    monkeypatch.setattr(stored, "stored_in", fail)
    settings.CHANNEL_WORKERS = {"RELAY": ["default"]}
    instruments.add(StoredSendsCollector())
    assert sample("stored_sends") is None
