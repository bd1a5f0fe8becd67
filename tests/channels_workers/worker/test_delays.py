"""The thread that sends delayed messages. The contract of layers tests what it calls."""

import logging
import threading
from typing import Any

import pytest

from channels_workers.channel import Channel
from channels_workers.exceptions import ConsumeLater, LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer, Store
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import Due
from channels_workers.worker import delays
from channels_workers.worker.delays import FORGOTTEN_AFTER, LOOK_INTERVAL, Delays
from labs.harness.redis_server import RedisServer
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.consumers import TIMEOUT, Counted, StartGroup

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread wake only for messages of its own process."""
    monkeypatch.setattr(delays, "LOOK_INTERVAL", 1000.0)


@pytest.mark.usefixtures("no_looks")
@pytest.mark.parametrize("delay", [0, 0.05])
def test_a_worker_sends_what_is_due(
    delay: float, memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    counted = Counted()
    start_group({"background": counted})
    sent = Channel("background").send({"n": 1}, delay=delay)
    assert counted.got_one.wait(TIMEOUT)
    assert [message.id for message in counted.messages] == [sent]


@pytest.mark.usefixtures("no_looks")
def test_a_commit_wakes_the_thread(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    counted = Counted()

    def consumer(message: Any) -> None:
        Channel("background").send({}, delay=0.01)

    start_group({"background": counted, "first": consumer})
    Channel("first").send({})
    assert counted.got_one.wait(TIMEOUT)


@pytest.mark.usefixtures("no_looks")
async def test_a_coroutine_wakes_the_thread(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    counted = Counted()
    start_group({"background": counted})
    await Channel("background").asend({}, delay=0.01)
    assert counted.got_one.wait(TIMEOUT)


def test_a_worker_sends_what_other_processes_delay(
    redis_server: RedisServer, start_group: StartGroup
) -> None:
    layer, other = (RedisChannelLayer(hosts=[redis_server.url]) for _ in range(2))
    counted = Counted()
    start_group({"background": counted}, layer=layer).wait_until_known()
    sent = Channel("background", channel_layer=other).send({}, delay=0.01)
    assert counted.got_one.wait(TIMEOUT)
    assert [message.id for message in counted.messages] == [sent]
    other.disconnect()


def test_a_worker_of_other_channels_sends_it_too(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    counted = Counted()
    routing = {"background": counted, "other": Counted()}
    start_group(routing, exclude_channels=["background"])
    Channel("background").send({}, delay=0)
    [delivery] = memory_layer.pull(["background"], "another worker", TIMEOUT)
    assert delivery.channel == "background"
    assert counted.messages == []


def test_a_consumer_that_runs_later_delays_nothing(
    memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    runs: list[str | None] = []

    def consumer(message: Any) -> None:
        runs.append(Channel("background").send({}, delay=5))
        if len(runs) == 1:
            raise ConsumeLater

    Channel("first").send({})
    run_next(consumer, "first")
    assert memory_layer.admin.delayed() == []
    run_next(consumer, "first")
    assert [each.id for each in memory_layer.admin.delayed()] == runs[1:]


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def layer(now: list[float]) -> InMemoryChannelLayer:
    """A layer with the clock *now*, whose channel `small` is full with one message."""
    made = InMemoryChannelLayer(
        store=Store(clock=lambda: now[0]), channel_capacity={"small": 1, "smaller": 0}
    )
    made.apply([made.make_send("small", {})])
    return made


def test_it_waits_until_the_next_is_due(layer: InMemoryChannelLayer, now: list[float]) -> None:
    thread = Delays(layer)
    assert thread.look(0.0) == LOOK_INTERVAL
    layer.apply([layer.make_send_later("work", {}, delay) for delay in (0.25, 30)])
    assert thread.look(0.0) == 0.25
    now[0] += 0.25
    assert thread.look(0.25) == LOOK_INTERVAL


def test_a_full_channel_is_logged_once(
    layer: InMemoryChannelLayer, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    thread = Delays(layer)
    layer.apply([layer.make_send_later("small", {}, 0) for _ in range(2)])
    for second in range(20):
        thread.look(float(second))
        now[0] += 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Channel small is full" in caplog.text
    assert caplog.records[0].__dict__["event"] == "delay_extended"
    layer.apply([layer.make_send_later("smaller", {}, 0)])
    thread.look(20.0)
    assert "Channel smaller is full" in caplog.text
    thread.look(20.0 + FORGOTTEN_AFTER)
    now[0] += 1
    thread.look(21.0 + FORGOTTEN_AFTER)
    assert [record.args for record in caplog.records] == [(name,) for name in NAMES]


NAMES = ("small", "smaller", "small", "smaller")


def test_the_thread_survives_an_outage(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    looked = threading.Event()

    def send_due() -> Due:
        calls.append(1)
        if len(calls) < 3:
            raise LayerUnavailable("away")
        looked.set()
        return Due(0, None)

    monkeypatch.setattr(memory_layer.admin, "send_due", send_due)
    thread = Delays(memory_layer)
    thread.start()
    assert looked.wait(TIMEOUT)
    assert thread.stop()
    assert not memory_layer.delay_listeners
