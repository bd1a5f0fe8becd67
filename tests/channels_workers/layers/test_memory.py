"""The memory layer meets the contract and never polls."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

import pytest
from django.test import utils as test_utils

from channels_workers.channel import Channel, Group
from channels_workers.layers.memory import InMemoryChannelLayer, Store
from channels_workers.layers.relays import Claim
from channels_workers.layers.types import FULL_PAUSE, Due, ProcessInfo
from tests.channels_workers.layers.contract import LayerContract, other, process
from tests.channels_workers.layers.history_contract import HistoryContract, Wait, kept
from tests.channels_workers.layers.memory_layers import data, make_layer, stores
from tests.channels_workers.layers.relay_contract import RelayContract
from tests.channels_workers.layers.request_contract import RequestContract

__all__ = ["data", "kept", "make_layer", "other", "process", "stores"]


class TestMemoryLayer(LayerContract):
    """The contract."""


class TestRequests(RequestContract):
    """The contract about requests."""


class TestRelays(RelayContract):
    """The contract about stored sends."""


class TestHistory(HistoryContract):
    """The contract about the history of groups."""

    @pytest.fixture
    def wait(self, stores: Sequence[Store]) -> Wait:
        gone = [0.0]
        for store in stores:
            store.clock = lambda: time.time() + gone[0]

        def wait(seconds: float) -> None:
            gone[0] += seconds

        return wait


def test_it_counts_refused_messages() -> None:
    layer = InMemoryChannelLayer(capacity=2)
    send = layer.make_send("work", {"n": 1})
    for _ in range(2):
        layer.apply([send])
    for _ in range(3):
        with pytest.raises(layer.ChannelFull):
            layer.apply([send])
    expected = {"messages_count": 2, "messages_pending": 2, "channel_full_count": 3}
    assert layer.channel_statistics("work") == layer.global_statistics() == expected


def test_its_clock_decides_what_is_due() -> None:
    now = [1_000_000.0]
    layer = InMemoryChannelLayer(store=Store(clock=lambda: now[0]), channel_capacity={"work": 1})
    layer.apply([layer.make_send_later("work", {"n": number}, 10) for number in (1, 2)])
    assert [each.due for each in layer.admin.delayed()] == [1_000_010.0] * 2
    assert layer.admin.send_due() == Due(0, 10.0)
    now[0] += 9.5
    assert layer.admin.send_due() == Due(0, 0.5)
    now[0] += 0.5
    assert layer.admin.send_due() == Due(1, FULL_PAUSE, ("work",))
    layer.store.take("work")
    now[0] += FULL_PAUSE / 2
    assert layer.admin.send_due() == Due(0, FULL_PAUSE / 2)
    now[0] += FULL_PAUSE / 2
    assert layer.admin.send_due() == Due(1, None)


def test_sends_that_nobody_can_hear_are_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(test_utils._TestState, "saved_data")
    layer = InMemoryChannelLayer()
    Group("group", channel_layer=layer).add("work")
    assert not caplog.records
    layer.apply([layer.make_send("work", {"n": 1})])  # the process may read it later
    assert not caplog.records
    for _ in range(2):
        Group("group", channel_layer=layer).send({"n": 1})
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert vars(record)["event"] == "not_heard"
    assert "no server or worker runs in this one" in record.getMessage()


@pytest.mark.parametrize("channel", ["server!1", "websocket.receive"])
def test_sends_to_channels_that_nobody_can_hear(
    channel: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(test_utils._TestState, "saved_data")
    layer = InMemoryChannelLayer()
    for _ in range(2):
        Channel(channel, channel_layer=layer).send({"text": "hi"})
    assert [vars(record)["event"] for record in caplog.records] == ["not_heard"]


async def test_a_process_with_ears_may_send(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(test_utils._TestState, "saved_data")
    served, worked, received = (InMemoryChannelLayer() for _ in range(3))
    served.start_server()
    worked.register("worker", ProcessInfo.this("worker", 1, ["work"]))
    receiving = asyncio.create_task(received.receive("work"))
    await asyncio.sleep(0)
    for layer in (served, worked, received):
        await layer.send("work", {"n": 1})
    assert await receiving == {"n": 1}
    assert not caplog.records


def test_a_pull_waits_without_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = InMemoryChannelLayer()
    waits: list[float | None] = []
    wait = layer.store.changed.wait
    started = threading.Event()

    def count(timeout: float | None = None) -> bool:
        waits.append(timeout)
        started.set()
        return wait(timeout)

    monkeypatch.setattr(layer.store.changed, "wait", count)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(layer.pull(["work"], "me", 30)))
    thread.start()
    assert started.wait(60)
    layer.apply([layer.make_send("work", {"n": 1})])
    thread.join(60)
    assert len(found) == 1
    assert len(waits) == 1


def test_async_to_sync_calls_may_have_separate_event_loops() -> None:
    layer = InMemoryChannelLayer()
    channel = asyncio.run(layer.new_channel())
    asyncio.run(layer.send(channel, {"n": 1}))
    assert asyncio.run(layer.receive(channel))["n"] == 1


def test_a_claim_from_before_the_clock_was_set_back_does_not_count() -> None:
    now = [1_000_000.0]
    layer = InMemoryChannelLayer(store=Store(clock=lambda: now[0]))
    for holder in ("one", "two"):
        assert layer.relays.claim(Claim("db", holder, 5)) is not None
        assert layer.relays.claim(Claim("db", "other", 5)) is None
        now[0] -= 1
