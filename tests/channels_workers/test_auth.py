import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client as Browser
from pytest_django import Settings

from channels_workers.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user,
    channel_session_user_from_http,
    http_session_user,
    transfer_user,
)
from channels_workers.channel import Channel
from channels_workers.message import Message
from channels_workers.session_stores import session_for_reply_channel
from tests.channels_workers.clients import Client, contents
from tests.channels_workers.conftest import RunNext

# Coroutines use the database on a separate thread.
pytestmark = pytest.mark.django_db(transaction=True)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FROM_HTTP = [channel_session_user_from_http, channel_and_http_session_user_from_http]


@pytest.fixture
def ann() -> User:
    return get_user_model().objects.create_user("ann", password="old")


@pytest.fixture
def browser(ann: User) -> Browser:
    """A browser in which ann is logged in."""
    browser = Browser()
    browser.force_login(ann)
    return browser


def headers(browser: Browser) -> list[list[bytes]]:
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME].OutputString([])
    return [[b"host", b"testserver"], [b"cookie", cookie.encode()]]


def tell(message: Message) -> None:
    user: Any = message.user
    Channel("told").send({"user": user.get_username(), "known": user.is_authenticated})


async def tell_async(message: Message) -> None:
    user: Any = message.user
    Channel("told").send({"user": user.get_username(), "known": user.is_authenticated})


BOTH_KINDS = pytest.mark.parametrize("consumer", [tell, tell_async])

ANN = {"user": "ann", "known": True}
NOBODY = {"user": "", "known": False}


def told(client: Client) -> list[dict[str, Any]]:
    return contents(client.layer, "told")


@BOTH_KINDS
@pytest.mark.parametrize("decorator", [http_session_user, *FROM_HTTP])
def test_a_socket_has_the_user_of_its_page(
    decorator: Decorator,
    consumer: Callable[..., Any],
    client_socket: Client,
    browser: Browser,
    run_next: RunNext,
) -> None:
    client_socket.connect(headers=headers(browser))
    run_next(decorator(consumer))
    assert told(client_socket) == [ANN]


@BOTH_KINDS
@pytest.mark.parametrize("decorator", [http_session_user, *FROM_HTTP, channel_session_user])
@pytest.mark.parametrize("cookie", [None, b"sessionid=neverthere0123456789", b"theme=dark"])
def test_without_a_user_it_is_anonymous(
    cookie: bytes | None,
    decorator: Decorator,
    consumer: Callable[..., Any],
    client_socket: Client,
    run_next: RunNext,
) -> None:
    client_socket.connect(headers=[[b"cookie", cookie]] if cookie else [])
    run_next(decorator(consumer))
    assert told(client_socket) == [NOBODY]


@BOTH_KINDS
@pytest.mark.parametrize("decorator", FROM_HTTP)
def test_later_messages_get_the_user_from_the_channel_session(
    decorator: Decorator,
    consumer: Callable[..., Any],
    client_socket: Client,
    browser: Browser,
    run_next: RunNext,
) -> None:
    client_socket.connect(headers=headers(browser))
    run_next(decorator(consumer))
    client_socket.send("hi")
    run_next(channel_session_user(consumer))
    client_socket.leave()
    run_next(channel_session_user(consumer))
    assert told(client_socket) == [ANN] * 3


def test_only_the_longer_decorator_keeps_the_http_session(
    client_socket: Client, browser: Browser, run_next: RunNext
) -> None:
    keys: list[Any] = []

    @channel_and_http_session_user_from_http
    def look(message: Message) -> None:
        session = message.http_session
        keys.append(session.session_key if session is not None else None)

    client_socket.connect(headers=headers(browser))
    run_next(look)
    client_socket.send("hi")
    run_next(look)
    assert keys == [browser.session.session_key] * 2


def end_by_password(ann: User) -> None:
    ann.set_password("new")
    ann.save()


def end_by_leaving(ann: User) -> None:
    ann.is_active = False
    ann.save()


def end_by_deletion(ann: User) -> None:
    ann.delete()


@pytest.mark.parametrize("end", [end_by_password, end_by_leaving, end_by_deletion])
def test_after_a_logout_the_next_message_is_anonymous(
    end: Callable[[User], None],
    client_socket: Client,
    browser: Browser,
    ann: User,
    run_next: RunNext,
) -> None:
    client_socket.connect(headers=headers(browser))
    run_next(channel_session_user_from_http(tell))
    end(ann)
    client_socket.send("hi")
    run_next(channel_session_user(tell))
    assert told(client_socket) == [ANN, NOBODY]


@pytest.mark.parametrize("engine", [None, "django.contrib.sessions.backends.db"])
def test_a_logout_removes_only_the_user_from_the_channel_session(
    engine: str | None,
    client_socket: Client,
    browser: Browser,
    ann: User,
    run_next: RunNext,
    settings: Settings,
) -> None:
    @channel_session_user_from_http
    def enter(message: Message) -> None:
        message.channel_session["room"] = "tea"

    settings.CHANNEL_SESSION_ENGINE = engine
    client_socket.connect(headers=headers(browser))
    run_next(enter)
    end_by_password(ann)
    client_socket.send("hi")
    run_next(channel_session_user(tell))
    assert told(client_socket) == [NOBODY]
    session = session_for_reply_channel(client_socket.reply_channel)
    assert dict(session.items()) == {"room": "tea"}


@BOTH_KINDS
@pytest.mark.parametrize("decorator", [http_session_user, *FROM_HTTP])
def test_a_socket_does_not_modify_the_session_of_its_page(
    decorator: Decorator,
    consumer: Callable[..., Any],
    client_socket: Client,
    browser: Browser,
    ann: User,
    run_next: RunNext,
) -> None:
    values = dict(browser.session.items())
    end_by_password(ann)
    client_socket.connect(headers=headers(browser))
    run_next(decorator(consumer))
    assert told(client_socket) == [NOBODY]
    assert dict(browser.session.items()) == values
    session = session_for_reply_channel(client_socket.reply_channel)
    assert SESSION_KEY not in session


@pytest.fixture
def new_secret(browser: Browser, settings: Settings) -> str:
    """Rotate the secret key after ann's log-in. Returns her previous session hash."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new secret"
    return str(browser.session[HASH_SESSION_KEY])


@BOTH_KINDS
@pytest.mark.parametrize("decorator", [http_session_user, *FROM_HTTP])
def test_a_rotated_secret_key_logs_no_browser_out(
    decorator: Decorator,
    consumer: Callable[..., Any],
    new_secret: str,
    client_socket: Client,
    browser: Browser,
    run_next: RunNext,
) -> None:
    client_socket.connect(headers=headers(browser))
    run_next(decorator(consumer))
    assert told(client_socket) == [ANN]
    assert browser.session[HASH_SESSION_KEY] == new_secret


@BOTH_KINDS
@pytest.mark.parametrize("engine", [None, "django.contrib.sessions.backends.db"])
def test_a_rotated_secret_key_loses_no_channel_session(
    engine: str | None,
    consumer: Callable[..., Any],
    new_secret: str,
    client_socket: Client,
    browser: Browser,
    run_next: RunNext,
    settings: Settings,
) -> None:
    settings.CHANNEL_SESSION_ENGINE = engine
    client_socket.connect(headers=headers(browser))
    run_next(channel_session_user_from_http(consumer))
    for _ in range(2):
        client_socket.send("hi")
        run_next(channel_session_user(consumer))
    assert told(client_socket) == [ANN] * 3
    session = session_for_reply_channel(client_socket.reply_channel)
    assert session[HASH_SESSION_KEY] != new_secret


def test_without_a_reply_channel_there_is_no_user(
    client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    Channel("second").send({"text": "hi"})
    with caplog.at_level(logging.ERROR):
        run_next(channel_session_user(tell), "second")
    assert "No reply_channel sent to consumer" in caplog.text
    assert told(client_socket) == []


def test_a_second_channel_knows_the_user_of_the_socket(
    client_socket: Client, browser: Browser, run_next: RunNext
) -> None:
    client_socket.connect(headers=headers(browser))
    run_next(channel_session_user_from_http(tell))
    Channel("second").send({"reply_channel": client_socket.reply_channel})
    run_next(channel_session_user(tell), "second")
    assert told(client_socket) == [ANN, ANN]


def test_a_user_is_transferred_completely_or_not_at_all(ann: User, browser: Browser) -> None:
    whole, part, empty = SessionStore(), SessionStore(), SessionStore()
    transfer_user(browser.session, whole)
    assert whole[SESSION_KEY] == str(ann.pk)
    assert len(whole.keys()) == 3
    del whole[HASH_SESSION_KEY]
    transfer_user(whole, part)
    transfer_user(empty, part)
    assert not part.keys()


def test_the_anonymous_user_is_djangos(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Any] = []

    @http_session_user
    def look(message: Message) -> None:
        seen.append((message.http_session, message.user))

    client_socket.connect()
    run_next(look)
    assert seen == [(None, AnonymousUser())]


@pytest.mark.parametrize("decorator", FROM_HTTP)
def test_the_same_user_may_resume(
    decorator: Decorator, client_socket: Client, browser: Browser, run_next: RunNext
) -> None:
    client_socket.connect(headers=headers(browser))
    run_next(decorator(tell))
    client_socket.resume(headers=headers(browser))
    run_next(decorator(tell))
    assert told(client_socket) == [ANN, ANN]
    assert client_socket.replies == []


@pytest.mark.parametrize("decorator", FROM_HTTP)
@pytest.mark.parametrize("who", ["another user", "nobody"])
def test_another_user_may_not_resume(
    who: str, decorator: Decorator, client_socket: Client, browser: Browser, run_next: RunNext
) -> None:
    client_socket.connect(headers=headers(browser))
    run_next(decorator(tell))
    if who == "another user":
        browser.force_login(get_user_model().objects.create_user("bob"))
        client_socket.resume(headers=headers(browser))
    else:
        client_socket.resume()
    run_next(decorator(tell))
    assert told(client_socket) == [ANN]
    assert client_socket.replies == [{"close": True}]


def test_a_user_may_not_resume_what_nobody_began(
    client_socket: Client, browser: Browser, run_next: RunNext
) -> None:
    client_socket.connect()
    run_next(channel_session_user_from_http(tell))
    client_socket.resume()
    run_next(channel_session_user_from_http(tell))
    client_socket.resume(headers=headers(browser))
    run_next(channel_session_user_from_http(tell))
    assert told(client_socket) == [NOBODY, NOBODY]
    assert client_socket.replies == [{"close": True}]


def test_a_consumer_that_fails_refuses_to_resume(client_socket: Client, run_next: RunNext) -> None:
    def fail(message: Message) -> None:
        raise RuntimeError("broken")

    client_socket.connect()
    run_next(lambda message: None)
    client_socket.resume()
    run_next(fail)
    [reply] = client_socket.replies
    assert reply["accept"] is False
