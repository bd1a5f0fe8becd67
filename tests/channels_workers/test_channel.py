from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

import channels_workers
from channels_workers.channel import Channel, Group
from channels_workers.exceptions import (
    ChannelFull,
    ConsumeLater,
    LayerUnavailable,
    MessageError,
    MessageTooLarge,
)
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import DISCONNECT, Leave, SendLater
from channels_workers.outbox import Outbox
from channels_workers.registry import get_channel_layer
from tests.channels_workers.clients import Client, contents, outbox_of
from tests.channels_workers.conftest import MEMORY

Named = type[Channel] | type[Group]
BOTH = pytest.mark.parametrize("kind", [Channel, Group])

DEEP: list[Any] = []
DEEP.append(DEEP)


@BOTH
def test_the_name_may_be_bytes(kind: Named, memory_layer: InMemoryChannelLayer) -> None:
    assert kind(b"chat").name == "chat"


@BOTH
def test_repr_shows_its_name(kind: Named, memory_layer: InMemoryChannelLayer) -> None:
    assert str(kind("chat")) == "chat"
    assert repr(kind("chat")) == f"{kind.__name__}('chat')"


@BOTH
def test_it_uses_the_default_layer(kind: Named, memory_layer: InMemoryChannelLayer) -> None:
    assert kind("chat").channel_layer is memory_layer


@BOTH
def test_another_layer_by_alias_or_instance(kind: Named, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}, "other": {"BACKEND": MEMORY}}
    layer = InMemoryChannelLayer()
    assert kind("chat", "other").channel_layer is get_channel_layer("other")
    assert kind("chat", alias="other").channel_layer is not get_channel_layer()
    assert kind("chat", channel_layer=layer).channel_layer is layer


@BOTH
def test_an_unknown_alias_is_refused(kind: Named, memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(ImproperlyConfigured, match="has no 'missing'; it has 'default'"):
        kind("chat", "missing")


def test_the_package_exports_the_most_used_names() -> None:
    assert channels_workers.Channel is Channel
    assert channels_workers.Group is Group


# Channel.send


def test_a_send_outside_a_consumer_is_immediate(memory_layer: InMemoryChannelLayer) -> None:
    Channel("background").send({"text": "hi"})
    assert contents(memory_layer, "background") == [{"text": "hi"}]


def test_a_send_in_a_consumer_is_delayed(memory_layer: InMemoryChannelLayer) -> None:
    with outbox_of(memory_layer) as outbox:
        Channel("background").send({"text": "hi"})
        assert contents(memory_layer, "background") == []
    assert len(outbox.operations) == 1


def test_an_immediate_send_in_a_consumer_is_not_delayed(memory_layer: InMemoryChannelLayer) -> None:
    with outbox_of(memory_layer) as outbox:
        Channel("background").send({"text": "hi"}, immediately=True)
        assert contents(memory_layer, "background") == [{"text": "hi"}]
    assert outbox.operations == []


@pytest.mark.parametrize("content", ["text", None, [("text", "hi")], 5])
def test_a_channel_accepts_only_dicts(content: Any, memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(TypeError, match=r"^You can only send dicts as content on channels"):
        Channel("background").send(content)


@pytest.mark.parametrize("content", ["text", None, [("text", "hi")], 5])
def test_a_group_accepts_only_dicts(content: Any, memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(ValueError, match=r"^You can only send dicts as content on channels"):
        Group("chat").send(content)


@BOTH
@pytest.mark.parametrize("value", [object(), "\ud800", 2**64, -(2**63) - 1, DEEP, {1, 2}])
def test_unserialisable_content_fails_in_send(
    kind: Named, value: Any, memory_layer: InMemoryChannelLayer
) -> None:
    with outbox_of(memory_layer) as outbox, pytest.raises(MessageError, match="cannot be enco"):
        kind("background").send({"text": value})
    assert outbox.operations == []


@BOTH
def test_oversized_content_fails_in_send(kind: Named) -> None:
    layer = InMemoryChannelLayer(message_size=100)
    with outbox_of(layer), pytest.raises(MessageTooLarge, match="the limit is 100"):
        kind("background", channel_layer=layer).send({"text": "x" * 100})


@BOTH
@pytest.mark.parametrize("name", ["with space", "", "x" * 100, "ümlaut", "a/b"])
def test_an_invalid_name_fails_in_send(
    kind: Named, name: str, memory_layer: InMemoryChannelLayer
) -> None:
    with outbox_of(memory_layer), pytest.raises(TypeError, match="name must be") as caught:
        kind(name).send({})
    assert repr(name) in str(caught.value)


def test_changing_the_content_after_the_send_has_no_effect(
    memory_layer: InMemoryChannelLayer,
) -> None:
    content = {"names": ["a"]}
    with outbox_of(memory_layer) as outbox:
        Channel("background").send(content)
        content["names"].append("b")
    memory_layer.apply(outbox.operations)
    assert contents(memory_layer, "background") == [{"names": ["a"]}]


def test_a_full_channel_refuses_an_immediate_send() -> None:
    layer = InMemoryChannelLayer(capacity=1)
    channel = Channel("background", channel_layer=layer)
    channel.send({"number": 1})
    with pytest.raises(ChannelFull) as caught:
        channel.send({"number": 2})
    assert caught.value.channel == "background"
    assert contents(layer, "background") == [{"number": 1}]


# Channel.send with a delay


def delayed(layer: InMemoryChannelLayer) -> list[tuple[str, str]]:
    return [(each.id, each.channel) for each in layer.admin.delayed()]


def test_a_delayed_send_returns_its_id(memory_layer: InMemoryChannelLayer) -> None:
    sent = Channel("background").send({"text": "hi"}, delay=0)
    assert delayed(memory_layer) == [(sent, "background")]
    assert contents(memory_layer, "background") == []
    memory_layer.admin.send_due()
    [delivery] = memory_layer.pull(["background"], "worker", 0)
    assert (delivery.id, memory_layer.content(delivery)) == (sent, {"text": "hi"})


def test_a_send_without_a_delay_returns_none(memory_layer: InMemoryChannelLayer) -> None:
    channel: Any = Channel("background")
    assert channel.send({}) is None


async def test_a_coroutine_sends_with_a_delay(memory_layer: InMemoryChannelLayer) -> None:
    sent = await Channel("background").asend({}, delay=1.5)
    assert delayed(memory_layer) == [(sent, "background")]
    assert sent is not None
    assert memory_layer.admin.cancel(sent)


def test_a_delayed_send_in_a_consumer_waits_for_the_commit(
    memory_layer: InMemoryChannelLayer,
) -> None:
    with outbox_of(memory_layer) as outbox:
        sent = Channel("background").send({"text": "hi"}, delay=5)
        assert delayed(memory_layer) == []
        at_once = Channel("background").send({}, immediately=True, delay=5)
        assert delayed(memory_layer) == [(at_once, "background")]
    payload = memory_layer.encode({"text": "hi"})
    assert outbox.operations == [SendLater("background", payload, 5, str(sent))]
    assert outbox.size == len(payload)


@pytest.mark.parametrize("send_in", ["consumer", "view"])
@pytest.mark.parametrize(
    "delay", [-1, -0.001, 365 * 24 * 3600 + 1, float("nan"), float("inf"), "5", True, [], 10**400]
)
def test_an_invalid_delay_fails_in_send(
    delay: Any, send_in: str, memory_layer: InMemoryChannelLayer
) -> None:
    place = outbox_of(memory_layer) if send_in == "consumer" else nullcontext()
    with place, pytest.raises(ValueError, match=r"from 0 to 31,536,000 \(a year\), not"):
        Channel("background").send({}, delay=delay)
    assert delayed(memory_layer) == []


def test_a_delayed_send_checks_name_and_content(memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(TypeError, match="name must be"):
        Channel("not valid").send({}, delay=5)
    with pytest.raises(MessageError, match="cannot be encoded"):
        Channel("background").send({"text": object()}, delay=5)
    with pytest.raises(TypeError, match="only send dicts"):
        Channel("background").send("text", delay=5)  # type: ignore[arg-type]


def test_delayed_messages_have_a_capacity() -> None:
    layer = InMemoryChannelLayer(channel_capacity={"asgi.delay": 1})
    channel = Channel("background", channel_layer=layer)
    channel.send({}, delay=5)
    with pytest.raises(ChannelFull, match="asgi.delay"):
        channel.send({}, delay=5)


WISH: dict[str, Any] = {"channel": "background", "content": {"text": "hi"}, "delay": 1500}


@pytest.mark.parametrize("delay", [1500, 1500.0])
def test_the_channel_of_1_x_delays_messages(
    delay: float, memory_layer: InMemoryChannelLayer
) -> None:
    with outbox_of(memory_layer) as outbox:
        sent = Channel("asgi.delay").send({**WISH, "delay": delay, "reply_channel": "more"})
    payload = memory_layer.encode({"text": "hi"})
    assert outbox.operations == [SendLater("background", payload, 1.5, str(sent))]


async def test_coroutines_use_the_channel_of_1_x(memory_layer: InMemoryChannelLayer) -> None:
    sent = await Channel("asgi.delay").asend(WISH)
    assert delayed(memory_layer) == [(sent, "background")]


@pytest.mark.parametrize(
    "wrong",
    [
        *({key: None} for key in WISH),
        *({"channel": 5}, {"content": [1]}, {"content": "text"}),
        *({"delay": value} for value in ("5", -1, True, float("nan"), 365 * 24 * 3600_000 + 1)),
    ],
)
def test_the_channel_of_1_x_refuses_other_messages(
    wrong: dict[str, Any], memory_layer: InMemoryChannelLayer
) -> None:
    message = {key: value for key, value in {**WISH, **wrong}.items() if value is not None}
    with pytest.raises(ValueError, match="A message to asgi.delay must have a 'channel'"):
        Channel("asgi.delay").send(message)
    assert delayed(memory_layer) == []


def test_the_channel_of_1_x_takes_no_second_delay(memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(ValueError, match="no delay beside them"):
        Channel("asgi.delay").send(WISH, delay=5)


# Groups


def test_members_get_messages_of_the_group(memory_layer: InMemoryChannelLayer) -> None:
    first, second, other = (Client(memory_layer) for _ in range(3))
    group = Group("chat")
    group.add(Channel(first.reply_channel))
    group.add(second.reply_channel)
    Group("chat").send({"text": "hi"})
    assert first.replies == second.replies == [{"text": "hi"}]
    assert other.replies == []


def test_adding_a_member_twice_counts_once(client_socket: Client) -> None:
    Group("chat").add(client_socket.reply_channel)
    Group("chat").add(client_socket.reply_channel)
    Group("chat").send({"text": "hi"})
    assert client_socket.replies == [{"text": "hi"}]


@pytest.mark.parametrize("as_member", [str, Channel])
def test_a_discarded_member_gets_nothing_more(
    as_member: Callable[[str], str | Channel], client_socket: Client
) -> None:
    group = Group("chat")
    group.add(client_socket.reply_channel)
    group.discard(as_member(client_socket.reply_channel))
    group.send({"text": "hi"})
    assert client_socket.replies == []


def test_discarding_a_non_member_changes_nothing(client_socket: Client) -> None:
    Group("chat").discard(client_socket.reply_channel)
    assert client_socket.replies == []


def test_an_ordinary_channel_may_be_a_member(memory_layer: InMemoryChannelLayer) -> None:
    Group("chat").add("background")
    Group("chat").send({"text": "hi"})
    assert contents(memory_layer, "background") == [{"text": "hi"}]


def test_a_full_member_is_skipped() -> None:
    layer = InMemoryChannelLayer(channel_capacity={"small": 1})
    group = Group("chat", channel_layer=layer)
    group.add("small")
    group.add("large")
    group.send({"number": 1})
    group.send({"number": 2})
    assert contents(layer, "small") == [{"number": 1}]
    assert contents(layer, "large") == [{"number": 1}, {"number": 2}]


def test_joins_in_a_consumer_are_immediate_and_sends_are_delayed(client_socket: Client) -> None:
    layer, name = client_socket.layer, client_socket.reply_channel
    with client_socket.consumer() as outbox:
        Group("chat").send({"text": "before the join"})
        Group("chat").add(name)
        assert layer.members("chat") == {name.partition("!")[0]}
        Group("chat").send({"text": "now"}, immediately=True)
        assert client_socket.replies == [{"text": "now"}]
        Group("chat").send({"text": "after"})
    assert client_socket.replies == [{"text": "now"}]
    layer.apply(outbox.operations)
    assert client_socket.replies[1:] == [{"text": "before the join"}, {"text": "after"}]


def test_leaves_in_a_consumer_are_immediate_and_in_order(client_socket: Client) -> None:
    name = client_socket.reply_channel
    with client_socket.consumer() as outbox:
        Group("chat").add(name)
        Group("chat").discard(name)
        Group("other").discard(name)
        Group("other").add(name)
        Group("chat").send({"text": "left"}, immediately=True)
        Group("other").send({"text": "joined"}, immediately=True)
        assert client_socket.replies == [{"text": "joined"}]
    assert outbox.operations == []


async def test_coroutines_join_and_leave_immediately_too(
    memory_layer: InMemoryChannelLayer,
) -> None:
    memory_layer.apply([memory_layer.make_send("work", {})])
    [delivery] = memory_layer.pull(["work"], "consumer", 0)
    with Outbox(memory_layer, delivery):
        await Group("chat").aadd("one")
        await Group("chat").aadd("two")
        await Group("chat").adiscard("one")
        assert memory_layer.members("chat") == {"two"}


def test_a_consumer_whose_message_was_taken_over_changes_no_group(client_socket: Client) -> None:
    with client_socket.consumer() as outbox:
        client_socket.layer.requeue(outbox.delivery, counted=True)
        Group("chat").add(client_socket.reply_channel)
    assert client_socket.layer.members("chat") == set()


def test_the_leaves_of_a_disconnect_wait_for_the_commit(client_socket: Client) -> None:
    Group("chat").add(client_socket.reply_channel)
    with client_socket.consumer(DISCONNECT) as outbox:
        Group("chat").discard(client_socket.reply_channel)
    assert outbox.operations == [Leave("chat", client_socket.reply_channel)]


def test_a_change_of_groups_waits_for_the_layer(
    client_socket: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, waits = client_socket.layer, []
    change_groups = layer.change_groups

    def away(*args: Any) -> None:
        raise LayerUnavailable("away")

    def rest(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            monkeypatch.setattr(layer, "change_groups", change_groups)
        return False

    monkeypatch.setattr(layer, "change_groups", away)
    with client_socket.consumer(rest=rest):
        Group("chat").add(client_socket.reply_channel)
    assert len(waits) == 3
    assert len(layer.members("chat")) == 1


def test_a_change_of_groups_is_undone_if_the_process_ends_before(
    client_socket: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> None:
        raise LayerUnavailable("away")

    monkeypatch.setattr(client_socket.layer, "change_groups", away)
    with client_socket.consumer(rest=lambda seconds: True), pytest.raises(ConsumeLater):
        Group("chat").add(client_socket.reply_channel)


def test_an_immediate_group_send_in_a_consumer_is_not_delayed(client_socket: Client) -> None:
    Group("chat").add(client_socket.reply_channel)
    with client_socket.consumer():
        Group("chat").send({"text": "hi"}, immediately=True)
        assert client_socket.replies == [{"text": "hi"}]


@pytest.mark.parametrize("change", [Group.add, Group.discard])
def test_members_need_valid_names(
    change: Callable[[Group, str], None], memory_layer: InMemoryChannelLayer
) -> None:
    with pytest.raises(TypeError, match=r"Channel name must be .*Got 'not valid'"):
        change(Group("chat"), "not valid")
    with pytest.raises(TypeError, match=r"Group name must be .*Got 'not valid'"):
        change(Group("not valid"), "background")
