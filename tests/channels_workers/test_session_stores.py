"""`CHANNEL_SESSION_ENGINE`, sessions outside consumers, and browser sessions."""

import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.base import CreateError, SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import JSONSerializer
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

import channels_workers
from channels_workers.channel import Channel
from channels_workers.exceptions import ConsumeLater
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.session_stores import (
    SIGNED_COOKIES,
    ChannelSession,
    browser_session_key,
    session_for_reply_channel,
)
from channels_workers.sessions import channel_session
from tests.channels_workers.clients import Client, contents
from tests.channels_workers.conftest import RunNext

# Coroutines use the database on a separate thread.
pytestmark = pytest.mark.django_db(transaction=True)

BACKENDS = "django.contrib.sessions.backends"


class Serializer(JSONSerializer):
    """A project's own serializer."""


@channel_session
def count(message: Message) -> None:
    message.channel_session["count"] = message.channel_session.get("count", 0) + 1
    Channel("counts").send({"count": message.channel_session["count"]})


@channel_session
async def count_async(message: Message) -> None:
    number = await message.channel_session.aget("count", 0) + 1
    await message.channel_session.aset("count", number)
    Channel("counts").send({"count": number})


BOTH_KINDS = pytest.mark.parametrize("consumer", [count, count_async])


@pytest.fixture(params=["db", "cached_db", "cache", "file"])
def engine(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> str:
    settings.SESSION_FILE_PATH = str(tmp_path)
    settings.CHANNEL_SESSION_ENGINE = f"{BACKENDS}.{request.param}"
    return settings.CHANNEL_SESSION_ENGINE  # type: ignore[no-any-return]


@BOTH_KINDS
def test_a_session_engine_of_django_stores_the_session(
    consumer: Any, engine: str, client_socket: Client, run_next: RunNext
) -> None:
    client_socket.connect()
    run_next(consumer)
    client_socket.send("hi")
    run_next(consumer)
    assert [item["count"] for item in contents(client_socket.layer, "counts")] == [1, 2]
    assert client_socket.layer.load_session(client_socket.reply_channel) is None
    assert session_for_reply_channel(client_socket.reply_channel)["count"] == 2


def test_it_keeps_its_key_when_nothing_is_stored(engine: str, client_socket: Client) -> None:
    """Django takes another key then, and the next message would not find what was saved."""
    session = session_for_reply_channel(client_socket.reply_channel)
    key = session.session_key
    assert not session.modified
    assert not session.exists(key or "")
    session["count"] = 1
    session.save(must_create=True)
    again = session_for_reply_channel(client_socket.reply_channel)
    assert (again.session_key, again["count"]) == (key, 1)


def test_it_keeps_its_key_after_it_has_expired(
    settings: Settings, client_socket: Client, run_next: RunNext
) -> None:
    settings.CHANNEL_SESSION_ENGINE = f"{BACKENDS}.db"
    client_socket.connect()
    run_next(count)
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    for text in ("one", "two"):
        client_socket.send(text)
        run_next(count)
    assert [item["count"] for item in contents(client_socket.layer, "counts")] == [1, 1, 2]
    assert Session.objects.count() == 1


def test_it_outlives_the_connection_as_in_1_1_8(
    settings: Settings, client_socket: Client, run_next: RunNext
) -> None:
    settings.CHANNEL_SESSION_ENGINE = f"{BACKENDS}.db"
    client_socket.connect()
    run_next(count)
    client_socket.leave()
    run_next(count)
    assert session_for_reply_channel(client_socket.reply_channel)["count"] == 2
    assert Session.objects.count() == 1


def test_changes_before_an_error_are_saved(
    settings: Settings, client_socket: Client, run_next: RunNext
) -> None:
    settings.CHANNEL_SESSION_ENGINE = f"{BACKENDS}.db"

    @channel_session
    def fail(message: Message) -> None:
        message.channel_session["count"] = 7
        raise LookupError

    client_socket.connect()
    run_next(fail)
    assert session_for_reply_channel(client_socket.reply_channel)["count"] == 7


@BOTH_KINDS
@pytest.mark.parametrize("error", [ConsumeLater(), OperationalError("away")], ids=repr)
def test_a_postponed_run_saves_nothing(
    error: Exception, consumer: Any, engine: str, client_socket: Client, run_next: RunNext
) -> None:
    seen: list[Any] = []

    @channel_session
    def put_off(message: Message) -> None:
        seen.append(message.channel_session.get("count"))
        message.channel_session["count"] = 40
        if len(seen) < 3:
            raise error

    @channel_session
    async def put_off_async(message: Message) -> None:
        seen.append(await message.channel_session.aget("count"))
        await message.channel_session.aset("count", 40)
        if len(seen) < 3:
            raise error

    client_socket.connect()
    for _ in range(3):
        run_next(put_off if consumer is count else put_off_async)
    assert seen == [None] * 3
    assert session_for_reply_channel(client_socket.reply_channel)["count"] == 40


def test_each_connection_has_its_own_session(
    settings: Settings, memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    settings.CHANNEL_SESSION_ENGINE = f"{BACKENDS}.db"
    for client in (Client(memory_layer), Client(memory_layer)):
        client.connect()
        run_next(count)
    assert [item["count"] for item in contents(memory_layer, "counts")] == [1, 1]
    assert Session.objects.count() == 2


def test_a_message_waits_while_another_creates_the_session(
    settings: Settings,
    client_socket: Client,
    run_next: RunNext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHANNEL_SESSION_ENGINE = f"{BACKENDS}.db"
    save, failures = SessionStore.save, [CreateError(), CreateError()]

    def save_late(self: SessionStore, must_create: bool = False) -> None:
        if must_create and failures:
            raise failures.pop()
        save(self, must_create)

    monkeypatch.setattr(SessionStore, "save", save_late)
    client_socket.connect()
    for _ in range(3):
        run_next(count)
    assert contents(client_socket.layer, "counts") == [{"count": 1}]
    assert client_socket.released == [0]


@pytest.mark.parametrize("engine", ["no.such.module", "django.conf", "nonsense"])
def test_an_invalid_engine_is_reported(settings: Settings, engine: str) -> None:
    settings.CHANNEL_SESSION_ENGINE = engine
    with pytest.raises(ImproperlyConfigured, match=f"CHANNEL_SESSION_ENGINE must .* '{engine}'"):
        session_for_reply_channel("server!socket")


def test_signed_cookies_are_refused(
    settings: Settings,
    client_socket: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CHANNEL_SESSION_ENGINE = SIGNED_COOKIES
    client_socket.connect()
    with caplog.at_level(logging.ERROR):
        run_next(count)
    assert "with signed cookie sessions" in caplog.text
    assert client_socket.released == [0]


def test_without_the_setting_there_is_no_query(client_socket: Client, run_next: RunNext) -> None:
    client_socket.connect()
    with CaptureQueriesContext(connection) as queries:
        run_next(count)
    assert len(queries) == 0


def test_outside_consumers_it_is_loaded_and_saved_immediately(
    client_socket: Client, run_next: RunNext
) -> None:
    client_socket.connect()
    run_next(count)
    session = session_for_reply_channel(client_socket.reply_channel)
    assert session["count"] == 1
    session["count"] = 40
    session.save()
    client_socket.send("hi")
    run_next(count)
    assert [item["count"] for item in contents(client_socket.layer, "counts")] == [1, 41]


# Browser sessions


def message_with(memory_layer: InMemoryChannelLayer, **content: Any) -> Message:
    return Message({"path": "/", **content}, "websocket.connect", memory_layer)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({}, None),
        ({"headers": None}, None),
        ({"headers": [[b"cookie", b"a=b; sessionid=abc; c=d"]]}, "abc"),
        ({"headers": [[b"cookie", b"a=b"], [b"cookie", b"sessionid=abc"]]}, "abc"),
        ({"headers": [(b"cookie", b"theme=dark")]}, None),
        ({"headers": {"cookie": b"sessionid=abc"}}, "abc"),
        ({"headers": [[b"cookie", b"\xff\xfe=\xfd; sessionid=abc"]]}, "abc"),
        ({"query_string": b"session_key=xyz"}, "xyz"),
        ({"query_string": "session_key=xyz"}, "xyz"),
        ({"query_string": b"%ff=%fe&session_key=xyz&session_key=last"}, "last"),
        ({"query_string": b"session_key=", "headers": [[b"cookie", b"sessionid=abc"]]}, ""),
        ({"query_string": b"session_key=xyz", "headers": [[b"cookie", b"sessionid=a"]]}, "xyz"),
    ],
)
def test_the_key_comes_from_the_query_string_or_a_cookie(
    content: Content, key: str | None, memory_layer: InMemoryChannelLayer
) -> None:
    assert browser_session_key(message_with(memory_layer, **content)) == key


@pytest.mark.parametrize(
    "content",
    [
        {"headers": [[b"cookie", b'sessionid="abcdefgh\\000"']]},
        {"headers": [[b"cookie", b"sessionid=abc\x00defgh"]]},
        {"headers": [[b"cookie", b"sessionid=abc defgh"]]},
        {"headers": [[b"cookie", "sessionid=ünïcode-ünïcode".encode()]]},
        {"headers": [[b"cookie", b"sessionid=" + b"a" * 201]]},
        {"query_string": b"session_key=abcdefgh%00"},
        {"query_string": b"session_key=abc%0adefgh"},
        {"query_string": b"session_key=%ed%a0%80abcdefgh"},
        {"query_string": b"session_key=" + b"a" * 30_000},
        {"query_string": b"session_key=abcdefgh\xff"},
        {"query_string": b"&".join([b"a"] * 5000) + b"&session_key=abcdefgh"},
    ],
)
@pytest.mark.parametrize("engine", ["db", "cache", "cached_db", "file"])
def test_an_invalid_key_is_none(
    content: Any, engine: str, memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    assert browser_session_key(message_with(memory_layer, **content)) is None


def test_a_key_that_is_the_session_may_be_as_long_as_a_cookie(
    memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    def key_of(length: int) -> str | None:
        headers = [[b"cookie", b"sessionid=" + b"a" * length]]
        return browser_session_key(message_with(memory_layer, headers=headers))

    assert key_of(200) == "a" * 200
    settings.SESSION_ENGINE = SIGNED_COOKIES
    assert key_of(4096) == "a" * 4096
    assert key_of(4097) is None


@pytest.mark.parametrize("content", [{}, {"path": "/", "headers": 5}])
def test_only_handshakes_have_a_browser_session(
    content: Content, memory_layer: InMemoryChannelLayer
) -> None:
    with pytest.raises(ValueError, match=r"^Cannot parse HTTP message - are you sure"):
        browser_session_key(Message(content, "tasks", memory_layer))


@pytest.mark.parametrize("length", [1, 100])
def test_the_key_of_a_channel_session_is_its_reply_channel(
    length: int, memory_layer: InMemoryChannelLayer
) -> None:
    """Django's own sessions take no key below 8 characters."""
    reply_channel = "!".ljust(length, "x")
    session = ChannelSession(memory_layer, reply_channel, memory_layer.encode({"count": 1}))
    assert (session.session_key, session["count"]) == (reply_channel, 1)
    assert not session.is_empty()
    session.flush()
    assert not session.is_empty()
    assert session.encoded() == (reply_channel, memory_layer.encode({}))


def test_no_private_part_of_djangos_sessions_is_used() -> None:
    package = Path(channels_workers.__file__).parent
    private = re.compile(r"\b_(get_|set_|validate_)?session_(key|cache)\b|\b_get_session\b")
    assert not [path for path in package.rglob("*.py") if private.search(path.read_text())]


def test_session_base_is_the_interface_of_all(client_socket: Client) -> None:
    assert isinstance(session_for_reply_channel(client_socket.reply_channel), SessionBase)


def test_the_serializer_comes_from_the_settings(
    memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    before = ChannelSession(memory_layer, "a!b", None)
    settings.SESSION_SERIALIZER = f"{__name__}.Serializer"
    after = ChannelSession(memory_layer, "a!c", None)
    assert (before.serializer, after.serializer) == (JSONSerializer, Serializer)


def test_two_sessions_share_nothing(memory_layer: InMemoryChannelLayer) -> None:
    one, other = (ChannelSession(memory_layer, f"a!{name}", None) for name in "bc")
    one["room"] = "lobby"
    assert (one.session_key, other.session_key) == ("a!b", "a!c")
    assert one.modified
    assert not other.modified
    assert dict(other.items()) == {}
