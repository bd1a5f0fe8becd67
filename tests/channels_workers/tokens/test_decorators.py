"""``message.user`` by a token."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from pytest_django import Settings

from channels_workers.auth import (
    EXPIRES_KEY,
    channel_session_user,
    channel_session_user_from_http,
)
from channels_workers.bearer import wire
from channels_workers.channel import Channel
from channels_workers.generic.websockets import WebsocketConsumer
from channels_workers.interface.close_codes import TOKEN_REFUSED
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.session_stores import session_for_reply_channel
from channels_workers.tokens import TokenUser, close_sockets_of, issue, token_user
from channels_workers.tokens.signed import validate
from tests.channels_workers.clients import Client, contents
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.test_auth import headers
from tests.channels_workers.tokens.conftest import is_about

# Coroutines use the database on a separate thread.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("tokens")]


@token_user
def tell(message: Message) -> None:
    user: Any = message.user
    Channel("told").send({"user": user.get_username(), "on": message.channel_name})


@token_user
async def tell_async(message: Message) -> None:
    user: Any = message.user
    Channel("told").send({"user": user.get_username(), "on": message.channel_name})


@channel_session_user
def tell_as_before(message: Message) -> None:
    user: Any = message.user
    Channel("told").send({"user": user.get_username(), "on": message.channel_name})


BOTH_KINDS = pytest.mark.parametrize("consumer", [tell, tell_async])


def told(client: Client) -> list[str]:
    return [each["user"] for each in contents(client.layer, "told")]


def refusal(caplog: pytest.LogCaptureFixture) -> str:
    [record] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.__dict__["event"] in ("socket_refused", "token_refused")
    return record.getMessage()


@BOTH_KINDS
def test_all_messages_of_a_socket_have_the_user(
    consumer: Callable[..., Any], client_socket: Client, ann: User, run_next: RunNext
) -> None:
    client_socket.connect(token=issue(ann))
    run_next(consumer)
    client_socket.send("hello")
    run_next(consumer)
    client_socket.send("as before")
    run_next(tell_as_before)
    client_socket.leave()
    run_next(consumer)
    assert told(client_socket) == ["ann"] * 4
    [reply] = client_socket.replies
    assert is_about(reply["expires"], 300)


def test_the_header_authorization_works_too(
    client_socket: Client, ann: User, run_next: RunNext
) -> None:
    client_socket.connect(headers=[[b"authorization", f"Bearer {issue(ann)}".encode()]])
    run_next(tell)
    assert told(client_socket) == ["ann"]


def test_without_a_token_the_user_is_anonymous(client_socket: Client, run_next: RunNext) -> None:
    client_socket.connect()
    run_next(tell)
    client_socket.send("x")
    run_next(tell)
    assert told(client_socket) == ["", ""]
    assert client_socket.replies == []


@BOTH_KINDS
@pytest.mark.parametrize("token", ["", "a:b:c", "a.b.c"])
def test_an_invalid_token_refuses_the_handshake(
    consumer: Callable[..., Any],
    token: str,
    client_socket: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client_socket.connect(token=token)
    run_next(consumer)
    assert told(client_socket) == []
    assert client_socket.replies == [{"close": True}]
    assert "its token is refused: " in refusal(caplog)


def test_two_tokens_refuse_it(
    client_socket: Client, ann: User, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    token = issue(ann)
    header = [b"authorization", f"Bearer {token}".encode()]
    client_socket.connect(token=token, headers=[header])
    run_next(tell)
    assert "there are several" in refusal(caplog)
    assert token not in caplog.text


def test_an_invalid_token_is_not_replaced_by_a_cookie(
    client_socket: Client, ann: User, run_next: RunNext, client: Any
) -> None:
    client.force_login(ann)
    both = channel_session_user_from_http(tell)
    client_socket.connect(headers=headers(client))
    run_next(both)
    assert told(client_socket) == ["ann"]
    client_socket.connect(token="a:b:c", headers=headers(client))
    run_next(both)
    assert told(client_socket) == []
    assert client_socket.replies == [{"close": True}]


def test_a_token_goes_before_a_cookie(
    client_socket: Client, ann: User, run_next: RunNext, client: Any
) -> None:
    client.force_login(ann)
    bob = get_user_model().objects.create_user("bob")
    client_socket.connect(token=issue(bob), headers=headers(client))
    run_next(channel_session_user_from_http(tell))
    assert told(client_socket) == ["bob"]


def connected(client: Client, user: User, run_next: RunNext, **lifetime: float) -> None:
    client.connect(token=issue(user, **lifetime))
    run_next(tell)
    assert told(client) == [user.get_username()]


@BOTH_KINDS
def test_a_new_token_moves_the_end(
    consumer: Callable[..., Any], client_socket: Client, ann: User, run_next: RunNext
) -> None:
    connected(client_socket, ann, run_next)
    client_socket.send(wire.to_frame(issue(ann, lifetime=1000)))
    run_next(consumer)
    assert told(client_socket) == []  # the consumer did not run
    reply = client_socket.replies[-1]
    assert is_about(reply["expires"], 1000)
    answer = json.loads(reply["text"])
    assert answer["expires"] == reply["expires"]
    assert 990 < answer["seconds"] <= 1000
    session = session_for_reply_channel(client_socket.reply_channel)
    assert session[EXPIRES_KEY] == reply["expires"]
    client_socket.send("hello")
    run_next(consumer)
    assert told(client_socket) == ["ann"]


def test_a_new_token_without_an_expiry_replaces_one_with(
    client_socket: Client, ann: User, run_next: RunNext, settings: Settings
) -> None:
    connected(client_socket, ann, run_next)
    validators = {"VALIDATORS": [f"{__name__}.endless"]}
    settings.CHANNEL_TOKENS = {**validators, "REQUIRE_EXPIRY": False, "LONGEST": 0}
    client_socket.send(wire.to_frame("x"))
    run_next(tell)
    reply = client_socket.replies[-1]
    assert reply["expires"] > time.time() + 1e9
    assert reply["text"] == wire.acknowledgement(None, now=0)


def endless(token: str) -> Any:
    return TokenUser(get_user_model().objects.get())


@BOTH_KINDS
@pytest.mark.parametrize("text", ['{"type": "channels_workers.token"}', wire.to_frame("a:b:c")])
def test_a_new_token_that_is_invalid_closes_the_socket(
    consumer: Callable[..., Any],
    text: str,
    client_socket: Client,
    ann: User,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    connected(client_socket, ann, run_next)
    client_socket.send(text)
    run_next(consumer)
    assert told(client_socket) == []
    assert client_socket.replies[-1] == {"close": TOKEN_REFUSED}
    assert "its new token is refused" in refusal(caplog)


def test_a_token_of_another_user_closes_the_socket(
    client_socket: Client, ann: User, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    bob = get_user_model().objects.create_user("bob")
    connected(client_socket, ann, run_next)
    token = issue(bob)
    client_socket.send(wire.to_frame(token))
    run_next(tell)
    assert client_socket.replies[-1] == {"close": TOKEN_REFUSED}
    assert "it is of another user" in refusal(caplog)
    assert token not in caplog.text


def test_a_socket_without_a_user_takes_no_token(
    client_socket: Client, ann: User, run_next: RunNext
) -> None:
    client_socket.connect()
    run_next(tell)
    client_socket.send(wire.to_frame(issue(ann)))
    run_next(tell)
    assert client_socket.replies == [{"close": TOKEN_REFUSED}]


def test_a_route_without_the_decorator_gets_every_frame(
    client_socket: Client, ann: User, run_next: RunNext
) -> None:
    connected(client_socket, ann, run_next)
    client_socket.send(wire.to_frame(issue(ann)))
    run_next(tell_as_before)
    assert told(client_socket) == ["ann"]


@pytest.mark.parametrize("consumer", [tell, tell_as_before])
def test_frames_that_run_after_the_expiry_are_anonymous(
    consumer: Callable[..., Any], client_socket: Client, ann: User, run_next: RunNext
) -> None:
    connected(client_socket, ann, run_next)
    session = session_for_reply_channel(client_socket.reply_channel)
    session[EXPIRES_KEY] = time.time()
    session.save()
    client_socket.send("late")
    run_next(consumer)
    client_socket.leave()
    run_next(consumer)
    assert told(client_socket) == ["", "ann"]


def test_a_user_who_is_deactivated_is_anonymous(
    client_socket: Client, ann: User, run_next: RunNext
) -> None:
    connected(client_socket, ann, run_next)
    ann.is_active = False
    ann.save()
    client_socket.send("x")
    run_next(tell)
    assert told(client_socket) == [""]


def test_all_sockets_of_a_user_are_closed(
    memory_layer: InMemoryChannelLayer, ann: User, run_next: RunNext
) -> None:
    bob = get_user_model().objects.create_user("bob")
    sockets = [Client(memory_layer) for _ in range(3)]
    for socket, user in zip(sockets, (ann, ann, bob), strict=True):
        connected(socket, user, run_next)
    close_sockets_of(ann)
    close_sockets_of(bob, code=4444)
    last = [each.replies[-1] for each in sockets]
    assert last == [{"close": TOKEN_REFUSED}, {"close": TOKEN_REFUSED}, {"close": 4444}]


def test_the_claims_are_there_with_the_token(
    client_socket: Client, ann: User, run_next: RunNext
) -> None:
    seen: list[Any] = []

    @token_user
    def consumer(message: Message) -> None:
        seen.append(getattr(message, "token_claims", None))

    client_socket.connect(token=issue(ann))
    run_next(consumer)
    client_socket.send("x")
    run_next(consumer)
    assert seen == [{}, None]


def test_classes_take_tokens_by_an_attribute(
    client_socket: Client, ann: User, run_next: RunNext
) -> None:
    class Consumer(WebsocketConsumer):
        token_user = True

        def connect(self, message: Message, **kwargs: Any) -> None:
            self.receive()

        def receive(self, text: Any = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
            Channel("told").send({"user": self.message.user.get_username()})

    client_socket.connect(token=issue(ann))
    run_next(Consumer)
    client_socket.send("x")
    run_next(Consumer)
    client_socket.send(wire.to_frame(issue(ann)))
    run_next(Consumer)
    assert told(client_socket) == ["ann", "ann"]
    assert [sorted(each) for each in client_socket.replies] == [["expires"], ["expires", "text"]]


def test_sessions_of_django_keep_the_user_too(
    client_socket: Client, ann: User, run_next: RunNext, settings: Settings
) -> None:
    settings.CHANNEL_SESSION_ENGINE = "django.contrib.sessions.backends.db"
    connected(client_socket, ann, run_next)
    client_socket.send(wire.to_frame(issue(ann, lifetime=1000)))
    run_next(tell)
    session = session_for_reply_channel(client_socket.reply_channel)
    assert is_about(session[EXPIRES_KEY], 1000)


def test_a_user_who_is_deactivated_meanwhile_is_refused(
    client_socket: Client,
    ann: User,
    run_next: RunNext,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CHANNEL_TOKENS = {"VALIDATORS": [f"{__name__}.deactivating"]}
    client_socket.connect(token=issue(ann))
    run_next(tell)
    assert "its user is not active" in refusal(caplog)
    assert told(client_socket) == []


def deactivating(token: str) -> Any:
    """Validate, and let somebody deactivate the user just then."""
    found = validate(token)
    get_user_model().objects.update(is_active=False)
    return found


@pytest.mark.parametrize("place", ["handshake", "frame"])
def test_a_flood_of_bad_tokens_does_not_fill_the_log(
    place: str,
    memory_layer: InMemoryChannelLayer,
    ann: User,
    run_next: RunNext,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CHANNEL_WORKERS = {"LOG_LINES_PER_MINUTE": 3}
    for number in range(10):
        socket = Client(memory_layer)
        if place == "frame":
            connected(socket, ann, run_next)
            socket.send(wire.to_frame(f"a:b:{number}"))
        else:
            socket.connect(token=f"a:b:{number}")
        run_next(tell)
        assert "close" in socket.replies[-1]
    lines = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(lines) == 3
    assert "more like this one within a minute are left out" in lines[-1]
    assert "a:b:" not in caplog.text


def test_a_user_of_another_model_is_an_error_that_refuses(
    client_socket: Client, run_next: RunNext, settings: Settings
) -> None:
    settings.CHANNEL_TOKENS = {"VALIDATORS": [f"{__name__}.stateless"]}
    client_socket.connect(token="x")
    run_next(tell)
    assert client_socket.replies[-1]["accept"] is False


def stateless(token: str) -> Any:
    """A user without a row, as some packages have."""

    class Stateless:
        is_authenticated = is_active = True

    return TokenUser(Stateless(), time.time() + 60)


def test_guesses_of_an_address_are_limited(
    memory_layer: InMemoryChannelLayer,
    settings: Settings,
    tokens: dict[str, Any],
    ann: User,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CHANNEL_TOKENS = {**tokens, "REFUSED_PER_ADDRESS": 2}

    def try_token(token: str, address: str = "2001:db8::1") -> bool:
        client = Client(memory_layer)
        client.connect(token=token, client=[address, 5])
        run_next(tell)
        return client.replies != [{"close": True}]

    assert [try_token("guess"), try_token("guess", "2001:db8::2")] == [False, False]
    assert not try_token(issue(ann), "2001:db8::3")  # of the same network
    assert "too many invalid tokens" in caplog.text
    assert try_token(issue(ann), "192.0.2.1")


@BOTH_KINDS
def test_a_token_of_the_same_user_resumes(
    consumer: Callable[..., Any], client_socket: Client, ann: User, run_next: RunNext
) -> None:
    client_socket.connect(token=issue(ann, 300))
    run_next(consumer)
    client_socket.resume(token=issue(ann, 600))
    run_next(consumer)
    assert told(client_socket) == ["ann", "ann"]
    assert is_about(client_socket.replies[-1]["expires"], 600)


@BOTH_KINDS
@pytest.mark.parametrize("kind", ["none", "invalid", "of another user"])
def test_other_tokens_do_not_resume(
    consumer: Callable[..., Any], kind: str, client_socket: Client, ann: User, run_next: RunNext
) -> None:
    client_socket.connect(token=issue(ann, 300))
    run_next(consumer)
    bob = get_user_model().objects.create_user("bob")
    content = {"none": {}, "invalid": {"token": "a:b:c"}, "of another user": {"token": issue(bob)}}
    client_socket.resume(**content[kind])
    run_next(consumer)
    assert told(client_socket) == ["ann"]
    assert client_socket.replies[-1] == {"close": True}
    assert session_for_reply_channel(client_socket.reply_channel)[EXPIRES_KEY] is not None


def test_sockets_that_came_without_a_token_resume_without_one(
    client_socket: Client, run_next: RunNext
) -> None:
    client_socket.connect()
    run_next(tell)
    client_socket.resume()
    run_next(tell)
    assert told(client_socket) == ["", ""]
    assert client_socket.replies == []
