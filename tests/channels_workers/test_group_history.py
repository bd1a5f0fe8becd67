"""`Group.add` of a group with history, as consumers and other code use it."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Group
from channels_workers.exceptions import ConsumeLater, LayerUnavailable
from channels_workers.layers.history import OLDEST, Joined, Position
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.server import Server
from channels_workers.layers.types import Delivery, InboxEntry, InboxKind, InboxOperation, Join
from channels_workers.message import Message
from channels_workers.outbox import Outbox
from channels_workers.registry import get_channel_layer
from channels_workers.test.layers import fresh_layers
from tests.channels_workers.clients import Client


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer(history={"room": {}})


@pytest.fixture
def group(layer: InMemoryChannelLayer) -> Group:
    return Group("room", channel_layer=layer)


def outbox(layer: InMemoryChannelLayer, **more: Any) -> Outbox:
    """The outbox of a consumer that runs."""
    layer.apply([layer.make_send("work", {})])
    (delivery,) = layer.pull(["work"], "worker.0", 0)
    return Outbox(layer, delivery, **more)


def numbers(client: Client) -> list[int]:
    return [reply["n"] for reply in client.replies]


def test_a_join_outside_a_consumer(layer: InMemoryChannelLayer, group: Group) -> None:
    group.send({"n": 1})
    client = Client(layer)
    joined = group.add(client.reply_channel)
    assert joined is not None
    assert joined == Joined(Position(joined.position.epoch, 1))
    group.send({"n": 2})
    assert numbers(client) == [2]
    other = Client(layer)
    assert group.add(other.reply_channel, since=str(joined.position)) is not None
    assert numbers(other) == [2]
    assert Group("hall", channel_layer=layer).add(client.reply_channel) is None


def test_a_join_in_a_consumer_goes_out_now(layer: InMemoryChannelLayer, group: Group) -> None:
    group.send({"n": 1})
    client = Client(layer)
    with outbox(layer) as found:
        found.changes = []
        joined = group.add(client.reply_channel, since=OLDEST)
        group.send({"n": 2})
    assert joined is not None
    assert joined.replayed == 1
    assert numbers(client) == [1]
    assert found.changes == [Join("room", client.reply_channel)]
    assert len(found.operations) == 1


async def test_a_join_in_a_coroutine(layer: InMemoryChannelLayer, group: Group) -> None:
    await group.asend({"n": 1})
    channel = await layer.new_channel()
    joined = await group.aadd(channel, since=OLDEST)
    assert joined is not None
    assert joined.replayed == 1
    assert (await layer.receive(channel))["n"] == 1
    assert await Group("hall", channel_layer=layer).aadd(channel) is None


def test_a_consumer_whose_message_was_taken_over(layer: InMemoryChannelLayer, group: Group) -> None:
    client = Client(layer)
    with outbox(layer) as found:
        found.delivery = found.delivery._replace(consumer="other.0")
        assert group.add(client.reply_channel, since=OLDEST) == Joined(OLDEST, is_gap=True)
    assert layer.members("room") == set()


def failing(layer: InMemoryChannelLayer, times: int) -> Callable[..., Joined | None]:
    """A `resume` that finds the layer away so many times."""
    resume, left = layer.resume, [times]

    def fail(*arguments: Any, **more: Any) -> Joined | None:
        left[0] -= 1
        if left[0] >= 0:
            raise LayerUnavailable("away")
        return resume(*arguments, **more)

    return fail


def test_it_waits_while_the_layer_is_away(
    layer: InMemoryChannelLayer, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(layer)
    monkeypatch.setattr(layer, "resume", failing(layer, 3))
    with outbox(layer, rest=lambda seconds: False):
        assert group.add(client.reply_channel) is not None
    monkeypatch.setattr(layer, "resume", failing(layer, 1))
    with outbox(layer, rest=lambda seconds: True), pytest.raises(ConsumeLater):
        group.add(client.reply_channel)


def test_a_position_without_a_history(group: Group) -> None:
    plain = Group("room", channel_layer=InMemoryChannelLayer())
    with pytest.raises(ValueError, match="'room' has no history"):
        plain.add("server!abc", since=OLDEST)
    with pytest.raises(ValueError, match="reply channels only"):
        group.add("work", since=OLDEST)


def test_the_position_of_a_message(layer: InMemoryChannelLayer) -> None:
    delivery = Delivery("work", "1", "worker.0", "id", b"", position="0123456789abcdef:7")
    message = Message({}, "work", layer, delivery)
    assert message.position == message.copy().position == Position("0123456789abcdef", 7)
    assert Message({}, "work", layer, delivery._replace(position="")).position is None
    assert Message({}, "work", layer).position is None


def test_tests_have_the_histories_of_the_settings(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"], "history": {"room": {"messages": 7}}},
        }
    }
    with fresh_layers(["default"]):
        histories = get_channel_layer().histories
        assert histories is not None
        limits = histories.limits_of("room")
        assert limits is not None
        assert limits.messages == 7


def test_a_send_past_the_history_is_logged_once(
    layer: InMemoryChannelLayer, group: Group, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(layer)
    group.add(client.reply_channel)
    unaware = InMemoryChannelLayer(store=layer.store)
    for number in (1, 2):
        unaware.apply([unaware.make_group_send("room", {"n": number})])
    assert numbers(client) == [1, 2]
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.event == "past_history"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (InboxKind.POSITIONED, b"payload"),
        (InboxKind.POSITIONED, b"0123456789abcdef:x:payload"),
        (InboxKind.RESUME, b"channel"),
        (InboxKind.RESUME, b"channel:0123456789abcdef:1:x"),
        (InboxKind.REPLAY, b"room:\xff:1:payload"),
    ],
)
def test_a_foreign_position_is_set_aside(
    kind: InboxKind, value: bytes, layer: InMemoryChannelLayer
) -> None:
    server = Server(layer.codec)
    server.process(InboxEntry("1", [InboxOperation(kind, "room", value)]))
    assert [found.value for found in server.take_unreadable()] == [value]
