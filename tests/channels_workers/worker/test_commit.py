import logging
import threading
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.exceptions import ChannelFull, ConsumeLater
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.routing import Router
from channels_workers.sessions import channel_session
from channels_workers.worker.commit import commit, quarantine
from channels_workers.worker.dispatch import run
from labs.harness.redis_server import RedisServer
from tests.channels_workers.clients import Client, contents, pull_one
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.consumers import Consumer, not_called, run_and_finish

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db


# Full channels


@pytest.fixture
def small_layer(settings: Settings) -> InMemoryChannelLayer:
    """A layer whose channel `small` is full with one message."""
    settings.CHANNEL_WORKERS = {"FULL_TIMEOUT": 0.2}
    layer = InMemoryChannelLayer(channel_capacity={"small": 1})
    Channel("small", channel_layer=layer).send({"number": 0})
    return layer


def run_on(client: Client, consumer: Consumer) -> Committed:
    delivery = pull_one(client.layer)
    return run_and_finish(delivery, client.layer, Router({delivery.channel: consumer}))


def test_an_immediate_send_to_a_full_channel_raises(
    small_layer: InMemoryChannelLayer,
) -> None:
    client = Client(small_layer)
    caught: list[str] = []

    def consumer(message: Any) -> None:
        try:
            Channel("small", channel_layer=small_layer).send({}, immediately=True)
        except ChannelFull as error:
            caught.append(error.channel)

    client.connect()
    run_on(client, consumer)
    assert caught == ["small"]


def test_messages_to_a_channel_that_stays_full_are_dropped_and_logged(
    small_layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(small_layer)

    @channel_session
    def consumer(message: Any) -> None:
        small = Channel("small", channel_layer=small_layer)
        message.channel_session["room"] = "tea"
        small.send({"number": 1})
        message.reply_channel.send({"text": "answer"})
        small.send({"number": 2})

    client.connect()
    assert run_on(client, consumer) is Committed.DONE
    assert client.replies == [{"text": "answer"}]
    assert client.released == [0]
    assert contents(small_layer, "small") == [{"number": 0}]
    assert small_layer.load_session(client.reply_channel) is not None
    assert "Channel small stayed full: 2 messages that websocket.connect" in caplog.text


def test_too_many_delayed_messages_are_dropped_and_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {"FULL_TIMEOUT": 0.2}
    layer = InMemoryChannelLayer(channel_capacity={"asgi.delay": 0})
    client = Client(layer)

    def consumer(message: Any) -> None:
        Channel("background", channel_layer=layer).send({}, delay=5)
        Channel("background", channel_layer=layer).send({})

    client.connect()
    assert run_on(client, consumer) is Committed.DONE
    assert contents(layer, "background") == [{}]
    assert layer.admin.delayed() == []
    assert "Channel asgi.delay stayed full: 1 messages that websocket.connect" in caplog.text


def test_messages_to_a_channel_that_drains_in_time_are_sent(
    small_layer: InMemoryChannelLayer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {"FULL_TIMEOUT": 20}
    client = Client(small_layer)
    small = Channel("small", channel_layer=small_layer)

    class MakeRoom(logging.Handler):
        """Consumes the message when the first attempt is logged."""

        def emit(self, record: logging.LogRecord) -> None:
            small_layer.store.take("small")

    client.connect()
    handler = MakeRoom()
    logging.getLogger("channels_workers.worker.commit").addHandler(handler)
    try:
        run_on(client, lambda message: small.send({"number": 1}))
    finally:
        logging.getLogger("channels_workers.worker.commit").removeHandler(handler)
    assert contents(small_layer, "small") == [{"number": 1}]
    assert "stayed full" not in caplog.text


# Stale and delayed commits


def test_a_stale_delivery_commits_nothing(
    connected: Client, caplog: pytest.LogCaptureFixture
) -> None:
    layer = connected.layer
    delivery = pull_one(layer)
    router = Router(
        {"websocket.connect": lambda message: message.reply_channel.send({"text": "a"})}
    )
    outcome = run(delivery, layer, router, not_called)
    layer.requeue(delivery, counted=False)
    assert commit(Finished(delivery, outcome.operations, outcome.session), layer) is Committed.STALE
    assert connected.replies == []
    assert run_and_finish(pull_one(layer), layer, router) is Committed.DONE
    assert connected.replies == [{"text": "a"}]
    assert f"Message {delivery.id} was finished elsewhere" in caplog.text


def test_a_commit_waits_for_redis(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    router = Router({"background": lambda message: None})
    tried, found = threading.Event(), []

    class Tried(logging.Handler):
        """Signals that an attempt has failed."""

        def emit(self, record: logging.LogRecord) -> None:
            tried.set()

    def work() -> None:
        found.append(run_and_finish(delivery, layer, router))

    layer.pull(["background"], "worker", 0)  # creates the stream
    Channel("background", channel_layer=layer).send({})
    [delivery] = layer.pull(["background"], "worker", 10)
    handler = Tried(logging.ERROR)
    logging.getLogger("channels_workers.worker.commit").addHandler(handler)
    worker = threading.Thread(target=work)
    redis_server.stop()
    try:
        worker.start()
        assert tried.wait(60)
    finally:
        redis_server.start()
        worker.join(60)
        logging.getLogger("channels_workers.worker.commit").removeHandler(handler)
    assert found == [Committed.STALE], "it came back empty: the delivery is no longer ours"
    assert f"Committing {delivery.id}: Redis at {redis_server.url} does not answer" in caplog.text


# Requeueing


def test_a_postponed_message_runs_after_queued_ones(
    memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    seen: list[int] = []

    def act(message: Any) -> None:
        seen.append(message["number"])
        if seen == [1]:
            raise ConsumeLater

    for number in (1, 2):
        Channel("tasks").send({"number": number})
    for _ in range(3):
        run_next(act, "tasks")
    assert seen == [1, 2, 1]


def test_retries_after_consume_later_are_bounded(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[int] = []

    def act(message: Any) -> None:
        runs.append(len(runs))
        raise ConsumeLater

    while not connected.released:
        run_next(act)
    assert len(runs) == 11
    assert "is a dead letter now: it was put off 10 times by ConsumeLater" in caplog.text
    assert len(caplog.records) == 1


# Quarantine


def test_a_suspect_is_left_to_others_if_the_process_ends_before_it_begins() -> None:
    away, pauses = RedisChannelLayer(hosts=["redis://127.0.0.1:1"]), list[float]()
    suspect = Delivery("one", "1-1", "worker.0", "id", b"", deaths=1)

    def rest(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 2

    assert not quarantine(suspect, away, rest)
    assert len(pauses) == 2
