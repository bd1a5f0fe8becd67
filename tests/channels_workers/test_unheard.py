"""Sends to channels that nothing listens to."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import mail
from django.test import utils as test_utils
from pytest_django import Settings

from channels_workers import unheard
from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import ProcessInfo
from channels_workers.message import Message
from channels_workers.routing import route
from labs.harness.ports import free_port
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for


def consumer(message: Message) -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def in_no_test(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.delattr(test_utils._TestState, "saved_data")
    settings.CHANNEL_ROUTING = [route("board.digest", consumer)]


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    made = InMemoryChannelLayer()
    made.register("worker", ProcessInfo.this("worker", 1, ["elsewhere"]))
    return made


@pytest.fixture
def redis_layer(redis_server: RedisServer) -> Iterator[RedisChannelLayer]:
    made = RedisChannelLayer(hosts=[redis_server.url])
    made.register("worker", ProcessInfo.this("worker", 1, ["elsewhere"]))
    made.register("server", ProcessInfo.this("server"))
    yield made
    wait_for(nobody_looks, "the end of the looks")
    made.disconnect()


def lookers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "looking for listeners"]


def nobody_looks() -> bool:
    return not lookers()


def found(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [
        vars(record)["channel"]
        for record in caplog.records
        if vars(record).get("event") == "channel_unknown"
    ]


def test_an_unknown_channel_is_logged_once(
    layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        Channel("board.digets", channel_layer=layer).send({})
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "sends to the channel board.digets, and nothing listens" in record.getMessage()
    Channel("later", channel_layer=layer).send({}, delay=1)
    content = {"channel": "much.later", "content": {}, "delay": 1}
    Channel("asgi.delay", channel_layer=layer).send(content)
    async_to_sync(Channel("from.a.coroutine", channel_layer=layer).asend)({})
    assert found(caplog) == ["board.digets", "later", "much.later", "from.a.coroutine"]


@pytest.mark.parametrize("name", ["board.digest", "elsewhere", "websocket.receive", "server!1"])
def test_known_channels(
    name: str, layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    Channel(name, channel_layer=layer).send({"accept": True})
    assert not caplog.records


def test_tests_send_to_any_channel(
    layer: InMemoryChannelLayer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(test_utils._TestState, "saved_data", [], raising=False)
    Channel("board.digets", channel_layer=layer).send({})
    assert not caplog.records


def test_so_many_names_are_looked_at(
    layer: InMemoryChannelLayer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unheard, "NAMES", 2)
    for number in range(4):
        Channel(f"n{number}", channel_layer=layer).send({})
    assert found(caplog) == ["n0", "n1"]


def test_a_broken_routing_is_reported_elsewhere(
    layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.CHANNEL_ROUTING = "nowhere.routing"
    Channel("board.digets", channel_layer=layer).send({})
    assert not found(caplog)


def test_redis_is_asked_beside_the_send(
    redis_layer: RedisChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("elsewhere", "board.digest", "board.digets"):
        Channel(name, channel_layer=redis_layer).send({})
    wait_for(lambda: found(caplog), "the log line")
    assert found(caplog) == ["board.digets"]


def test_one_thread_looks_for_all_names(
    redis_layer: RedisChannelLayer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    listened = redis_layer.admin.listened

    def held() -> Any:
        asked.set()
        assert go_on.wait(60)
        return listened()

    monkeypatch.setattr(redis_layer.admin, "listened", held)
    names = [f"n{number}" for number in range(50)]
    for name in names:
        Channel(name, channel_layer=redis_layer).send({})
    assert asked.wait(60)
    assert len(lookers()) == 1
    go_on.set()
    wait_for(nobody_looks, "the end of the looks")
    assert found(caplog) == names
    Channel("later", channel_layer=redis_layer).send({})  # by a new thread
    wait_for(lambda: found(caplog) == [*names, "later"], "the last line")


def test_mail_in_memory_is_no_sign_of_tests(
    layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    assert hasattr(mail, "outbox")  # as in a site whose EMAIL_BACKEND is locmem
    Channel("board.digets", channel_layer=layer).send({})
    assert found(caplog) == ["board.digets"]


def test_while_redis_is_away_nobody_knows(caplog: pytest.LogCaptureFixture) -> None:
    layer = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{free_port()}/0"])
    unheard.look_for_listeners(layer, "board.digets")
    wait_for(nobody_looks, "the end of the look")
    assert not layer.looked_at
    assert not found(caplog)
    layer.disconnect()
