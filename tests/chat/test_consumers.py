"""The consumers, run as a worker runs them up to its commit, without a server."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from channels_workers.dispatch import run
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Delivery,
    GroupSend,
    Join,
    Leave,
    Operation,
    Send,
)
from channels_workers.registry import get_channel_layer
from channels_workers.routing import Router
from chat.models import Message, Room
from chat.routing import channel_routing

pytestmark = pytest.mark.django_db

ORIGIN = [b"origin", b"http://localhost:8000"]


@dataclass
class Connection:
    """One socket as the layer knows it, with the session that each commit would save."""

    layer: WorkerLayer = field(default_factory=get_channel_layer)
    session: bytes | None = None
    order: int = 0

    def deliver(self, channel: str, **content: Any) -> Delivery:
        payload = self.layer.encode({"path": "/chat/lobby/", **content})
        delivery = Delivery(
            channel=channel,
            token="token",
            consumer="consumer",
            id=f"server!socket:{self.order}",
            payload=payload,
            reply_channel="server!socket",
            order=self.order,
            session=self.session,
        )
        self.order += 1
        return delivery

    def run(self, delivery: Delivery, *, is_committed: bool = True) -> list[Operation]:
        outcome = run(delivery, self.layer, Router(channel_routing), lambda coroutine: None)
        if is_committed and outcome.session:
            self.session = outcome.session.payload
        return outcome.operations

    def connect(self, headers: Any = (ORIGIN,), **content: Any) -> list[Operation]:
        return self.run(self.deliver(CONNECT, headers=list(headers), **content))

    def say(self, **fields: Any) -> Delivery:
        text = json.dumps({"handle": "ann", "message": "hi"} | fields)
        return self.deliver(RECEIVE, text=text)

    def decode(self, operation: Operation) -> dict[str, Any]:
        assert isinstance(operation, Send | GroupSend)
        return self.layer.codec.decode(operation.payload)


@pytest.fixture
def connection(settings: Settings) -> Connection:
    settings.ALLOWED_HOSTS = ["localhost"]
    Room.objects.at("lobby")
    return Connection()


def test_a_socket_joins_the_group_of_its_room_and_is_accepted(connection: Connection) -> None:
    join, accept = connection.connect()
    assert join == Join("chat-lobby", "server!socket")
    assert isinstance(accept, Send)
    assert (accept.channel, connection.decode(accept)) == ("server!socket", {"accept": True})


@pytest.mark.parametrize("path", ["/chat/nobody-was-here/", "/lobby/", "/chat/admin/", "/"])
def test_a_socket_of_no_room_is_denied(connection: Connection, path: str) -> None:
    (denial,) = connection.connect(path=path)
    assert connection.decode(denial) == {"close": True}


@pytest.mark.parametrize("headers", [[], [[b"origin", b"https://evil.example"]]])
def test_a_socket_of_another_origin_is_denied(connection: Connection, headers: Any) -> None:
    (denial,) = connection.connect(headers)
    assert connection.decode(denial) == {"close": True}


def test_what_is_said_is_stored_and_told_to_the_room(connection: Connection) -> None:
    connection.connect()
    (told,) = connection.run(connection.say(nonce="n1"))
    stored = Message.objects.get()
    assert isinstance(told, GroupSend)
    assert told.group == "chat-lobby"
    assert connection.decode(told) == {"text": stored.frame()}
    assert stored.delivery == "server!socket:1"
    assert stored.person.startswith("guest:")


def test_a_delivery_that_runs_again_after_a_crash_tells_the_room_again(
    connection: Connection,
) -> None:
    connection.connect()
    delivery = connection.say(nonce="n1")
    lost = connection.run(delivery, is_committed=False)
    assert connection.run(delivery._replace(token="another", consumer="another")) == lost
    assert Message.objects.count() == 1


def test_a_retry_in_another_delivery_is_answered_to_its_sender(connection: Connection) -> None:
    connection.connect()
    connection.run(connection.say(nonce="n1"))
    (answer,) = connection.run(connection.say(nonce="n1"))
    assert isinstance(answer, Send)
    assert answer.channel == "server!socket"
    assert connection.decode(answer) == {"text": Message.objects.get().frame()}


def test_a_bad_frame_is_answered_to_its_sender(connection: Connection) -> None:
    connection.connect()
    for delivery in (
        connection.deliver(RECEIVE, text="no JSON"),
        connection.deliver(RECEIVE, bytes=b"{}"),
        connection.say(colour="red"),
    ):
        (answer,) = connection.run(delivery)
        assert isinstance(answer, Send)
        assert json.loads(connection.decode(answer)["text"])["type"] == "error"
    assert not Message.objects.exists()


def test_a_connection_that_is_too_fast_stores_nothing(
    connection: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    connection.run(connection.say())
    (answer,) = connection.run(connection.say(nonce="n2"))
    error = json.loads(connection.decode(answer)["text"])
    assert (error["code"], error["nonce"]) == ("too_fast", "n2")
    assert Message.objects.count() == 1


def test_a_run_that_was_lost_does_not_count_as_fast(
    connection: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    delivery = connection.say()
    connection.run(delivery, is_committed=False)
    assert isinstance(connection.run(delivery)[0], GroupSend)


def test_a_room_that_was_deleted_meanwhile_is_forbidden(connection: Connection) -> None:
    connection.connect()
    Room.objects.all().delete()
    (answer,) = connection.run(connection.say())
    assert json.loads(connection.decode(answer)["text"])["code"] == "forbidden"


def test_a_socket_that_is_gone_leaves_the_group(connection: Connection) -> None:
    connection.connect()
    (leave,) = connection.run(connection.deliver(DISCONNECT))
    assert leave == Leave("chat-lobby", "server!socket")
