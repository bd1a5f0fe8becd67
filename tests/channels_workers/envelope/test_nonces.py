"""A message that is sent again runs once: on a connection, and with `once` across connections."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection, transaction
from pytest_django import Settings

from channels_workers.envelope import EnvelopeConsumer, Refused, envelope, nonces, stream
from channels_workers.envelope.nonces import REMEMBERED, row_key
from channels_workers.message import Message
from channels_workers.models import CommittedMessage
from channels_workers.once import once
from channels_workers.once import rows as once_rows
from channels_workers.tokens import issue, token_user
from chat.models import Room
from tests.channels_workers.envelope.conftest import Site, Socket
from tests.channels_workers.once.conftest import rooms, rows, write

pytestmark = pytest.mark.django_db(transaction=True)

TOKENS = {"VALIDATORS": ["channels_workers.tokens.signed.validate"]}


@pytest.fixture
def ann(settings: Settings) -> User:
    settings.CHANNEL_TOKENS = TOKENS
    found: User = get_user_model().objects.create_user("ann", password="a")
    return found


class Plain(EnvelopeConsumer):
    """It writes without a transaction of `@once`."""

    token_user = True

    @stream("write")
    def write(self, label: Any) -> None:
        write(label)

    @stream("refuse")
    def refuse(self, label: Any) -> None:
        write(label)
        raise Refused("denied")

    @stream("fail")
    def fail(self, label: Any) -> None:
        write(label)
        raise RuntimeError

    @stream("break")
    def break_at_commit(self, label: Any) -> None:
        """The commit fails after the handler has returned."""
        write(label)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO chat_message (room_id, handle, message, person, timestamp) "
                "VALUES (-1, 'a', 'b', 'c', '2026-01-01')"
            )


class Once(Plain):
    once = True


@token_user
@envelope
def function(message: Message) -> None:
    method = Plain.streams()[message.envelope.stream].method
    getattr(Plain, method)(None, message.envelope.payload)


@once
@token_user
@envelope
def function_once(message: Message) -> None:
    method = Plain.streams()[message.envelope.stream].method
    getattr(Plain, method)(None, message.envelope.payload)


@token_user
@envelope
async def coroutine(message: Message) -> None:
    await transaction_free(message.envelope.payload)


async def transaction_free(label: str) -> None:
    await Room.objects.acreate(name=label, label=label)


@once
@token_user
@envelope
async def coroutine_once(message: Message) -> None:
    await transaction_free(message.envelope.payload)


ALL = pytest.mark.parametrize(
    "consumer", [Plain, Once, function, function_once, coroutine, coroutine_once]
)
WITH_ONCE = pytest.mark.parametrize("consumer", [Once, function_once, coroutine_once])


def say(label: str, nonce: str, stream: str = "write") -> dict[str, Any]:
    return {"stream": stream, "payload": label, "nonce": nonce}


def ack(nonce: str) -> dict[str, Any]:
    return {"type": "ack", "nonce": nonce}


def connect(site: Site, consumer: Callable[..., Any], user: User | None = None) -> Socket:
    """A socket of *user*, whose connect is accepted by a class."""
    token = {} if user is None else {"token": issue(user)}
    socket = site.connect(Plain, **token)
    socket.contents()
    socket.consumer = consumer
    return socket


@ALL
def test_a_message_runs_once_on_a_connection(site: Site, consumer: Callable[..., Any]) -> None:
    socket = connect(site, consumer)
    for _ in range(3):
        assert socket.ask(say("a", "1")) == [ack("1")]
    assert socket.ask(say("b", "2")) == [ack("2")]
    assert rooms() == ["a", "b"]


def test_the_connection_remembers_a_bounded_number(site: Site) -> None:
    socket = connect(site, Plain)
    for number in range(REMEMBERED + 1):
        socket.ask(say(f"a{number}", str(number)))
    socket.ask(say("again", "1"))
    assert "again" not in rooms()
    socket.ask(say("again", "0"))
    assert "again" in rooms()
    socket.send({"type": "ping"})
    assert len(site.pull().session or b"") in range(REMEMBERED, 1_500)


@WITH_ONCE
def test_a_message_of_a_user_runs_once_across_connections(
    site: Site, consumer: Callable[..., Any], ann: User
) -> None:
    for _ in range(3):
        assert connect(site, consumer, ann).ask(say("a", "1")) == [ack("1")]
    assert rooms() == ["a"]
    bob = get_user_model().objects.create_user("bob")
    assert connect(site, consumer, bob).ask(say("b", "1")) == [ack("1")]
    for label in ("c", "d"):  # nobody knows who is anonymous
        assert connect(site, consumer).ask(say(label, "1")) == [ack("1")]
    assert rooms() == ["a", "b", "c", "d"]


def test_without_once_it_runs_again_on_another_connection(site: Site, ann: User) -> None:
    for label in ("a", "b"):
        assert connect(site, Plain, ann).ask(say(label, "1")) == [ack("1")]
    assert rooms() == ["a", "b"]


def test_a_row_is_of_one_consumer_and_one_owner() -> None:
    keys = {
        row_key("a", "b", "c"),
        row_key("a", "c", "b"),
        row_key("b", "a", "c"),
        row_key("ab", "", "c"),
        once_rows.key_of("a\0b\0c", 1),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("consumer", [Once, function_once])
def test_a_refused_message_may_be_sent_again(
    site: Site, consumer: Callable[..., Any], ann: User
) -> None:
    socket = connect(site, consumer, ann)
    for _ in range(2):
        [answer] = socket.ask(say("a", "1", "refuse"))
        assert (answer["code"], answer["nonce"]) == ("denied", "1")
    assert (rooms(), rows()) == ([], 0)
    assert socket.ask(say("b", "1")) == [ack("1")]
    assert rooms() == ["b"]


@pytest.mark.parametrize("consumer", [Once, function_once])
@pytest.mark.parametrize("stream", ["fail", "break"])
def test_a_message_that_failed_has_no_ack(
    site: Site, consumer: Callable[..., Any], ann: User, stream: str
) -> None:
    socket = connect(site, consumer, ann)
    [answer] = socket.ask(say("a", "1", stream))
    assert (answer["code"], answer["nonce"]) == ("failed", "1")
    assert rooms() == []
    assert socket.ask(say("b", "1")) == [ack("1")]
    assert rooms() == ["b"]


def test_a_request_whose_transaction_fails_has_no_reply(site: Site) -> None:
    socket = connect(site, Once)
    [answer] = socket.ask({"type": "request", "id": 1, "stream": "break", "payload": "a"})
    assert (answer["type"], answer["code"], answer["id"]) == ("error", "failed", 1)


@pytest.mark.parametrize("consumer", [Plain, Once])
def test_a_worker_that_dies_after_it_has_saved_a_stored_session(
    site: Site, consumer: Callable[..., Any], settings: Settings
) -> None:
    settings.CHANNEL_SESSION_ENGINE = "django.contrib.sessions.backends.db"
    socket = connect(site, consumer)
    socket.send(say("a", "1"))
    delivery = site.pull()
    site.run(delivery, consumer)
    Room.objects.all().delete()
    delivery = site.again(delivery)
    site.commit(delivery, site.run(delivery, consumer))
    socket.wait()
    assert socket.take() == [ack("1")]
    assert rooms() == ["a"] * (consumer is Plain)
    for nonce in ("1", "2", "2", "1"):
        assert socket.ask(say(nonce, nonce)) == [ack(nonce)]
    assert rooms()[-1] == "2"


@WITH_ONCE
def test_a_worker_that_dies_before_the_commit_of_the_layer(
    site: Site, consumer: Callable[..., Any], ann: User
) -> None:
    socket = connect(site, consumer, ann)
    socket.send(say("a", "1"))
    delivery = site.pull()
    site.run(delivery, consumer)
    delivery = site.again(delivery)
    site.commit(delivery, site.run(delivery, consumer))
    socket.wait()
    assert socket.take() == [ack("1")]
    assert socket.ask(say("a", "1")) == [ack("1")]
    assert rooms() == ["a"]


def test_frames_without_handlers_use_no_database(
    site: Site, ann: User, django_assert_num_queries: Any
) -> None:
    socket = connect(site, Once, ann)
    for frame in ({"type": "ping"}, {"type": "unknown"}, {"stream": "unknown", "payload": 1}, "{"):
        socket.send(frame)
        delivery = site.pull()
        with django_assert_num_queries(0):
            outcome = site.run(delivery, Once)
        site.commit(delivery, outcome)
    assert rows() == 0


def test_joins_use_no_transaction(site: Site, ann: User) -> None:
    for consumer in (Once, function_once):
        socket = connect(site, consumer, ann)
        [answer] = socket.ask({"type": "join", "id": 1, "group": "g"})
        assert answer["code"] == "denied"
        assert [each["type"] for each in socket.ask({"type": "leave", "id": 1, "group": "g"})] == [
            "left"
        ]
    assert rows() == 0


def test_a_token_is_renewed(site: Site, ann: User) -> None:
    socket = connect(site, Once, ann)
    frame = {"type": "channels_workers.token", "token": issue(ann)}
    [answer] = socket.ask(frame)
    assert answer["type"] == "channels_workers.token"
    unrouted = connect(site, EnvelopeConsumer)
    [answer] = unrouted.ask(frame)
    assert answer["code"] == "unknown"


@pytest.mark.parametrize("is_ignored", [True, False])
def test_a_claim_is_part_of_the_transaction(
    is_ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some databases cannot ignore a conflict."""
    monkeypatch.setattr(once_rows, "_statements", {})
    monkeypatch.setattr(
        type(connection.features), "supports_ignore_conflicts", is_ignored, raising=True
    )
    key = row_key("a", "b", "c")
    with suppress(ZeroDivisionError), transaction.atomic():
        assert once_rows.claim(connection, key)
        assert not once_rows.claim(connection, key)
        raise ZeroDivisionError
    with transaction.atomic():
        assert once_rows.claim(connection, key)
    with transaction.atomic():
        assert not once_rows.claim(connection, key)
        write("after")  # the transaction goes on
    assert rooms() == ["after"]
    assert CommittedMessage.objects.count() == 1


@WITH_ONCE
def test_a_message_that_runs_on_another_connection_meanwhile(
    site: Site, consumer: Callable[..., Any], ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that comes second is undone, and finds the row in its next run."""
    assert connect(site, consumer, ann).ask(say("a", "1")) == [ack("1")]
    real, seen = nonces.is_claimed, []

    def too_early(*args: Any) -> bool:
        seen.append(args)
        return len(seen) > 1 and real(*args)

    monkeypatch.setattr(nonces, "is_claimed", too_early)
    socket = connect(site, consumer, ann)
    socket.send(say("b", "1"))
    for is_put_off in (True, False):
        assert site.finish(consumer).is_put_off is is_put_off
    socket.wait()
    assert socket.take() == [ack("1")]
    assert rooms() == ["a"]
