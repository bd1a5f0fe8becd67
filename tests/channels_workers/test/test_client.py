import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.contrib.auth.models import Group as Team
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, close_old_connections, connection, reset_queries
from pytest_django import DjangoAssertNumQueries, Settings

from channels_workers.channel import Channel, Group
from channels_workers.exceptions import (
    AcceptConnection,
    ConsumeLater,
    DenyConnection,
    MessageError,
    WebsocketCloseException,
)
from channels_workers.generic.websockets import WebsocketConsumer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.routing import route, route_class
from channels_workers.sessions import channel_session, session_for_reply_channel
from channels_workers.signals import consumer_finished, consumer_started
from channels_workers.test.client import Client
from channels_workers.test.routes import apply_routes
from tests.channels_workers.conftest import MEMORY, heard
from tests.channels_workers.test_signals import receivers_of

Consumer = Callable[..., Any]

# Some consumers use the database.
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def layers(settings: Settings, memory_layer: InMemoryChannelLayer) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}, "other": {"BACKEND": MEMORY}}
    settings.CHANNEL_ROUTING = []


@pytest.fixture
def client() -> Client:
    return Client()


def consume(client: Client, consumer: Consumer, channel: str = "x", **content: Any) -> Any:
    with apply_routes(route(channel, consumer)):
        return client.send_and_consume(channel, content)


def received(client: Client) -> list[Any]:
    return list(iter(client.receive, None))


def test_a_test_lets_time_pass_for_a_delayed_message(client: Client) -> None:
    """As docs/reference/sending.md shows it."""

    def consumer(message: Any) -> None:
        message.reply_channel.send({"text": "later"}, delay=60)

    consume(client, consumer)
    client.channel_layer.admin.send_due()
    assert received(client) == []
    client.channel_layer.store.clock = lambda: time.time() + 60
    client.channel_layer.admin.send_due()
    assert received(client) == [{"text": "later"}]


# Its connection


def test_messages_reach_the_socket_in_order(client: Client) -> None:
    client.join_group("group")
    Channel(client.reply_channel).send({"number": 1})
    Group("group").send({"number": 2})
    Channel(client.reply_channel).send({"number": 3})
    message = client.get_next_message(client.reply_channel)
    assert message is not None
    assert (message.content, message.channel.name) == ({"number": 1}, client.reply_channel)
    assert received(client) == [{"number": 2}, {"number": 3}]


def test_consumers_add_it_to_groups(client: Client) -> None:
    consume(client, lambda message: Group("group").add(message.reply_channel))
    Group("group").send({"number": 1})
    consume(client, lambda message: Group("group").discard(message.reply_channel))
    Group("group").send({"number": 2})
    assert received(client) == [{"number": 1}]


def test_group_members_share_no_content() -> None:
    clients = Client(), Client()
    for client in clients:
        client.join_group("group")
    Group("group").send({"list": [1]})
    clients[0].receive()["list"].append(2)
    assert clients[1].receive() == {"list": [1]}


def test_a_disconnect_runs_its_consumer_and_nothing_else(client: Client) -> None:
    client.join_group("group")
    consume(client, lambda message: None, "websocket.disconnect")
    Group("group").send({"number": 1})
    assert received(client) == [{"number": 1}]


def test_its_channel_session(client: Client) -> None:
    @channel_session
    def count(message: Any) -> None:
        message.channel_session["count"] = message.channel_session.get("count", 0) + 1
        raise ValueError("after that")

    for _ in range(2):
        with pytest.raises(ValueError, match="after that"):
            consume(client, count)
    session = session_for_reply_channel(client.reply_channel)
    assert session["count"] == 2
    session["count"] = 7
    session.save()
    assert consume(client, channel_session(lambda message: message.channel_session["count"])) == 7


def test_queued_messages_are_consumed_one_by_one(client: Client) -> None:
    for number in range(3):
        client.send("websocket.connect", {"number": number})
    other = Client()
    other.send("websocket.connect", {"number": 3})
    with apply_routes(route("websocket.connect", lambda message: message["number"])):
        assert [client.consume("websocket.connect") for _ in range(4)] == [0, 1, 2, 3]


def test_a_custom_reply_channel(client: Client) -> None:
    consume(client, lambda message: message.reply_channel.send({}), reply_channel="mine")
    assert client.get_next_message("mine") is not None
    assert client.receive() is None


@channel_session
def count(message: Any) -> int:
    message.channel_session["count"] = message.channel_session.get("count", 0) + 1
    message.reply_channel.send({"count": message.channel_session["count"]})
    return message.channel_session["count"]  # type: ignore[no-any-return]


def test_the_reply_channel_may_be_set() -> None:
    client = Client()
    client.reply_channel = "mine"
    assert [consume(client, count) for _ in range(2)] == [1, 2]
    client.join_group("group")
    Group("group").send({"number": 3})
    assert received(client) == [{"count": 1}, {"count": 2}, {"number": 3}]
    assert session_for_reply_channel("mine")["count"] == 2


def test_the_reply_channel_may_be_that_of_another_client(client: Client) -> None:
    other = Client()
    other.reply_channel = client.reply_channel
    assert [consume(client, count), consume(other, count)] == [1, 2]
    assert received(client) == [{"count": 1}, {"count": 2}]


@pytest.mark.parametrize(
    ("name", "error"), [("a!b", "is of a process, and of no client here"), ("a b", "Got 'a b'")]
)
def test_an_unreadable_reply_channel_is_refused(name: str, error: str, client: Client) -> None:
    client.reply_channel = name
    with pytest.raises((ValueError, TypeError), match=error):
        client.send("x")


def test_the_channel_session_ends_with_the_disconnect(client: Client) -> None:
    @channel_session
    def leave(message: Any) -> None:
        message.channel_session["count"] += 1
        Channel("left").send({"reply_channel": message.reply_channel.name})

    assert consume(client, count) == 1
    assert consume(Client(), count) == 1
    consume(client, leave, "websocket.disconnect")
    with apply_routes(route("left", count)):
        assert client.consume("left") == 1


def test_a_postponed_disconnect_keeps_the_session(client: Client) -> None:
    def put_off(message: Any) -> None:
        raise ConsumeLater

    consume(client, count)
    with pytest.raises(ConsumeLater):
        consume(client, put_off, "websocket.disconnect")
    assert consume(client, count) == 2


def test_a_message_is_requeued_when_its_consumer_cannot_reach_the_database(client: Client) -> None:
    def fail(message: Any) -> None:
        raise OperationalError("away")

    with pytest.raises(OperationalError, match="away"):
        consume(client, fail, number=1)
    with apply_routes(route("x", lambda message: message["number"])):
        assert client.consume("x") == 1


def test_an_unsavable_channel_session_is_an_error(client: Client) -> None:
    @channel_session
    def consumer(message: Any) -> None:
        message.channel_session["value"] = object()
        message.reply_channel.send({"number": 1})

    with pytest.raises(MessageError, match="This channel session cannot be saved"):
        consume(client, consumer)
    assert received(client) == [{"number": 1}]


def test_another_alias() -> None:
    client = Client(alias="other")
    client.join_group("group")
    Group("group").send({"in": "default"})
    Group("group", alias="other").send({"in": "other"})
    assert received(client) == [{"in": "other"}]
    assert client.channel_layer is channel_layers["other"]
    assert Client().get_next_message(client.reply_channel) is None


def test_it_reconnects_in_a_new_layer(client: Client) -> None:
    first = client.reply_channel
    assert client.reply_channel == first
    channel_layers.backends.clear()
    assert client.reply_channel != first
    Channel(client.reply_channel).send({"number": 1})
    assert received(client) == [{"number": 1}]


def test_an_unknown_alias() -> None:
    with pytest.raises(ImproperlyConfigured, match="CHANNEL_LAYERS has no 'nowhere'"):
        Client(alias="nowhere").send("x")


def test_a_layer_in_redis(client: Client, settings: Settings) -> None:
    backend = "channels_workers.layers.redis.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    with pytest.raises(ImproperlyConfigured, match="RedisChannelLayer. Derive the test from"):
        client.send("x")


async def test_it_refuses_to_run_inside_an_event_loop(client: Client) -> None:
    with pytest.raises(RuntimeError, match="Make the test a `def`"):
        client.send("x")
    with pytest.raises(RuntimeError, match="Make the test a `def`"):
        client.consume("x")

    async def consumer(message: Any) -> str:
        return "done"

    assert await sync_to_async(consume)(client, consumer) == "done"


def test_it_does_not_touch_the_event_loop_of_the_thread() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        assert Client().reply_channel
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


# Running messages


def test_an_empty_channel(client: Client) -> None:
    with pytest.raises(AssertionError, match="^No message for channel x$"):
        client.consume("x")
    assert client.consume("x", fail_on_none=False) is None


@pytest.mark.parametrize("channel", ["x", "websocket.connect", "websocket.disconnect"])
def test_a_channel_without_a_route(channel: str, client: Client) -> None:
    with pytest.raises(AssertionError, match="^Can't find consumer for message <Message"):
        client.send_and_consume(channel)
    assert client.send_and_consume(channel, fail_on_none=False) is None
    assert client.receive() is None
    assert client.channel_layer.length(channel) == 0


def test_the_consumer_of_a_channel_runs(client: Client) -> None:
    def consumer(message: Any) -> None:
        pass

    with apply_routes(route("x", consumer)):
        assert client.get_consumer_by_channel("x") is consumer
        assert client.get_consumer_by_channel("websocket.connect") is None


def test_content_is_not_modified(client: Client) -> None:
    content = {"list": [1]}
    with apply_routes(route("x", lambda message: message["list"].append(2))):
        client.send_and_consume("x", content)
    assert content == {"list": [1]}


def test_the_result_of_a_class_is_returned(client: Client) -> None:
    with apply_routes(route_class(WebsocketConsumer)):
        found = client.send_and_consume("websocket.connect", {"path": "/"})
    assert isinstance(found, WebsocketConsumer)
    assert received(client) == [{"accept": True}]


def test_messages_are_sent_when_the_consumer_has_returned(client: Client) -> None:
    seen: list[Any] = []

    def consumer(message: Any) -> str:
        message.reply_channel.send({"number": 2})
        message.reply_channel.send({"number": 1}, immediately=True)
        seen.extend(received(client))
        return "returned"

    assert consume(client, consumer) == "returned"
    assert seen == [{"number": 1}]
    assert received(client) == [{"number": 2}]


def refused(kind: str) -> dict[str, Any]:
    return {"accept": False, "why": f"its consumer raised {kind}"}


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (
            ValueError("broken"),
            [{"number": 1}, refused("ValueError")],
        ),
        (SystemExit(1), [{"number": 1}, refused("SystemExit")]),
        (OperationalError("away"), []),
        (DenyConnection(), [{"number": 1}, {"close": True}]),
        (ConsumeLater(), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exceptions_of_a_consumer_propagate(
    error: BaseException, sent: list[Any], client: Client
) -> None:
    def consumer(message: Any) -> None:
        message.reply_channel.send({"number": 1})
        raise error

    with pytest.raises(type(error)) as raised:
        consume(client, consumer, "websocket.connect")
    assert raised.value is error
    assert received(client) == sent


@pytest.mark.parametrize(
    ("error", "sent"),
    [(AcceptConnection(), {"accept": True}), (WebsocketCloseException(4000), {"close": 4000})],
)
def test_control_flow_exceptions_are_handled(error: Exception, sent: Any, client: Client) -> None:
    def consumer(message: Any) -> None:
        raise error

    assert consume(client, consumer, "websocket.connect") is None
    assert received(client) == [sent]


def test_a_postponed_message_is_requeued(client: Client) -> None:
    runs: list[str] = []

    def consumer(message: Any) -> int:
        runs.append(message.id)
        if len(runs) == 1:
            raise ConsumeLater
        return len(runs)

    with apply_routes(route("x", consumer)):
        with pytest.raises(ConsumeLater):
            client.send_and_consume("x")
        assert client.consume("x") == 2
    assert runs[0] == runs[1]


def test_the_signals_are_sent(client: Client) -> None:
    with heard(consumer_started) as started, heard(consumer_finished) as finished:
        consume(client, lambda message: None)
    assert (len(started), len(finished)) == (1, 1)


# The database


def create(message: Any) -> int:
    return Team.objects.create(name=message["name"]).pk


async def create_async(message: Any) -> int:
    team = await Team.objects.acreate(name=message["name"])
    return team.pk


@pytest.mark.parametrize("consumer", [create, create_async])
def test_consumers_are_in_the_transaction_of_the_test(
    consumer: Consumer, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert connection.in_atomic_block
    with django_assert_num_queries(1):
        pk = consume(client, consumer, name="ada")
    assert Team.objects.get().pk == pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("consumer", [create, create_async])
def test_database_connections_are_left_alone(
    consumer: Consumer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Team.objects.create(name="first")
    closed: list[str] = []
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: closed.append("tried"))
    consume(client, consumer, name="ada")
    assert closed == []
    assert Team.objects.count() == 2


def test_afterwards_signals_clean_up_connections_again(client: Client) -> None:
    consume(client, lambda message: consume(Client(), lambda inner: None))
    assert {close_old_connections, reset_queries} <= receivers_of(consumer_started)
    assert close_old_connections in receivers_of(consumer_finished)


def test_coroutines_run_their_sync_calls_in_the_thread_of_the_test(client: Client) -> None:
    async def consumer(message: Any) -> int:
        return await sync_to_async(threading.get_ident)()

    assert consume(client, consumer) == threading.get_ident()
