import asyncio
import logging
from collections.abc import Callable
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from pytest_django import Settings

from channels_workers.auth import channel_and_http_session_user_from_http
from channels_workers.channel import Channel
from channels_workers.exceptions import ConsumeLater, MessageError
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import (
    Committed,
)
from channels_workers.message import Message
from channels_workers.session_stores import session_for_message
from channels_workers.sessions import (
    channel_and_http_session,
    channel_session,
    enforce_ordering,
    http_session,
)
from tests.channels_workers.clients import Client, contents, pull_one
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.http.server import Exchange

# Signals around a consumer clean up database connections.
pytestmark = pytest.mark.django_db

Consumer = Callable[[Message], Any]


@channel_session
def remember(message: Message) -> None:
    message.channel_session["room"] = "tea"


@channel_session
async def remember_async(message: Message) -> None:
    message.channel_session["room"] = "tea"


@channel_session
def answer(message: Message) -> None:
    Channel("answers").send(dict(message.channel_session.items()))


BOTH_KINDS = pytest.mark.parametrize("consumer", [remember, remember_async])


def saved(client: Client) -> Content | None:
    payload = client.layer.load_session(client.reply_channel)
    return client.layer.codec.decode(payload) if payload else None


def run_connect(client: Client, run_next: RunNext, consumer: Consumer) -> Committed:
    client.connect()
    return run_next(consumer)


def outside(client: Client, **content: Any) -> Message:
    """A message of the client's socket that was not delivered by the layer."""
    values = {"reply_channel": client.reply_channel, **content}
    return Message(values, "websocket.receive", client.layer)


@BOTH_KINDS
def test_the_next_message_of_the_connection_gets_it(
    consumer: Consumer, client_socket: Client, run_next: RunNext
) -> None:
    run_connect(client_socket, run_next, consumer)
    client_socket.send("hi")
    run_next(answer)
    client_socket.leave()
    run_next(answer)
    assert contents(client_socket.layer, "answers") == [{"room": "tea"}] * 2


def test_each_connection_has_its_own_session(
    memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    first, second = Client(memory_layer), Client(memory_layer)
    run_connect(first, run_next, remember)
    run_connect(second, run_next, answer)
    assert contents(memory_layer, "answers") == [{}]
    assert saved(first) == {"room": "tea"}
    assert saved(second) is None


def test_only_the_commit_saves_it(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Content | None] = []

    @channel_session
    def look(message: Message) -> None:
        message.channel_session["room"] = "tea"
        message.channel_session.save()
        seen.append(saved(client_socket))

    run_connect(client_socket, run_next, look)
    assert seen == [None]
    assert saved(client_socket) == {"room": "tea"}


def test_an_unmodified_session_is_not_saved(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Any] = []

    @channel_session
    def read(message: Message) -> None:
        seen.append(message.channel_session.get("room", "nothing"))

    run_connect(client_socket, run_next, read)
    assert seen == ["nothing"]
    assert saved(client_socket) is None


@pytest.mark.parametrize(("modified", "seen"), [(False, []), (True, [1])])
def test_a_change_inside_a_value_needs_modified(
    modified: bool, seen: list[int], client_socket: Client, run_next: RunNext
) -> None:
    @channel_session
    def begin(message: Message) -> None:
        message.channel_session["seen"] = []

    @channel_session
    def change(message: Message) -> None:
        message.channel_session["seen"].append(1)
        message.channel_session.modified = modified

    run_connect(client_socket, run_next, begin)
    client_socket.send("hi")
    run_next(change)
    assert saved(client_socket) == {"seen": seen}


def test_changes_before_an_error_are_saved(client_socket: Client, run_next: RunNext) -> None:
    @channel_session
    def fail(message: Message) -> None:
        message.channel_session["room"] = "tea"
        raise RuntimeError

    assert run_connect(client_socket, run_next, fail) is Committed.DONE
    assert saved(client_socket) == {"room": "tea"}


def test_an_unserialisable_value_is_logged_without_other_effects(
    client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    @channel_session
    def break_it(message: Any) -> None:
        message.channel_session["room"] = object()
        message.reply_channel.send({"text": "sent"})

    run_connect(client_socket, run_next, remember)
    client_socket.send("hi")
    with caplog.at_level(logging.ERROR):
        assert run_next(break_it) is Committed.DONE
    assert client_socket.replies == [{"text": "sent"}]
    assert client_socket.released == [0, 1]
    assert saved(client_socket) == {"room": "tea"}
    assert "break_it failed on websocket.receive, path /chat/" in caplog.text
    assert "MessageError" in caplog.text


@pytest.mark.parametrize(
    "empty",
    [
        lambda session: session.flush(),
        lambda session: session.clear(),
        lambda session: session.create(),
        lambda session: session.delete(),
        lambda session: session.pop("room"),
    ],
)
def test_it_can_be_cleared(
    empty: Callable[[Any], None], client_socket: Client, run_next: RunNext
) -> None:
    @channel_session
    def forget(message: Message) -> None:
        empty(message.channel_session)

    run_connect(client_socket, run_next, remember)
    client_socket.send("hi")
    run_next(forget)
    assert saved(client_socket) == {}


def test_changes_after_a_flush_are_kept(client_socket: Client, run_next: RunNext) -> None:
    @channel_session
    def begin_anew(message: Message) -> None:
        message.channel_session.flush()
        message.channel_session["room"] = "coffee"

    run_connect(client_socket, run_next, remember)
    client_socket.send("hi")
    run_next(begin_anew)
    assert saved(client_socket) == {"room": "coffee"}


def test_it_has_the_interface_of_djangos_sessions(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Any] = []

    @channel_session
    def use(message: Message) -> None:
        session = message.channel_session
        session.cycle_key()
        session.update({"a": 1})
        session.setdefault("b", 2)
        del session["a"]
        seen.extend([session.session_key, session.exists(), list(session.keys())])

    run_connect(client_socket, run_next, use)
    assert seen == [client_socket.reply_channel, True, ["b"]]
    assert saved(client_socket) == {"b": 2}


def test_a_coroutine_may_use_its_async_interface(client_socket: Client, run_next: RunNext) -> None:
    @channel_session
    async def use(message: Message) -> None:
        await message.channel_session.aset("room", await message.channel_session.aget("x", "tea"))
        await message.channel_session.asave()

    run_connect(client_socket, run_next, use)
    assert saved(client_socket) == {"room": "tea"}


def test_it_ends_with_its_connection(client_socket: Client, run_next: RunNext) -> None:
    run_connect(client_socket, run_next, remember)
    client_socket.leave()
    run_next(remember)
    assert saved(client_socket) is None


def test_changes_by_an_object_with_an_async_call_are_saved(
    client_socket: Client, run_next: RunNext
) -> None:
    class Remember:
        async def __call__(self, message: Message) -> None:
            await asyncio.sleep(0)
            message.channel_session["room"] = "tea"

    run_connect(client_socket, run_next, channel_session(Remember()))
    assert saved(client_socket) == {"room": "tea"}


def test_outside_a_delivery_a_postponed_run_saves_nothing(
    client_socket: Client, run_next: RunNext
) -> None:
    @channel_session
    def put_off(message: Message) -> None:
        message.channel_session["room"] = "milk"
        raise ConsumeLater

    run_connect(client_socket, run_next, remember)
    with pytest.raises(ConsumeLater):
        put_off(outside(client_socket))
    assert saved(client_socket) == {"room": "tea"}


# Second-stage channels: messages with the reply channel of a connection


@BOTH_KINDS
def test_a_second_stage_shares_the_session(
    consumer: Consumer, client_socket: Client, run_next: RunNext
) -> None:
    def forward(message: Message) -> None:
        Channel("second").send({"reply_channel": str(message.reply_channel)})

    run_connect(client_socket, run_next, forward)
    assert run_next(consumer, "second") is Committed.DONE
    assert saved(client_socket) == {"room": "tea"}
    client_socket.send("hi")
    run_next(answer)
    assert contents(client_socket.layer, "answers") == [{"room": "tea"}]


def test_a_second_stage_reads_changes_of_the_first(
    client_socket: Client, run_next: RunNext
) -> None:
    run_connect(client_socket, run_next, remember)
    Channel("second").send({"reply_channel": client_socket.reply_channel})
    run_next(answer, "second")
    assert contents(client_socket.layer, "answers") == [{"room": "tea"}]


def test_a_second_stage_saves_with_its_commit(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Content | None] = []

    def look(message: Message) -> None:
        remember(message)
        seen.append(saved(client_socket))

    run_connect(client_socket, run_next, answer)
    Channel("second").send({"reply_channel": client_socket.reply_channel})
    run_next(look, "second")
    assert seen == [None]
    assert saved(client_socket) == {"room": "tea"}


def test_a_second_stage_of_an_ended_connection_saves_nothing(
    client_socket: Client, run_next: RunNext
) -> None:
    run_connect(client_socket, run_next, answer)
    client_socket.leave()
    run_next(answer)
    Channel("second").send({"reply_channel": client_socket.reply_channel})
    assert run_next(remember, "second") is Committed.DONE
    assert saved(client_socket) is None


# Outside a delivery


@BOTH_KINDS
def test_outside_a_delivery_it_is_saved_immediately(
    consumer: Consumer, client_socket: Client, run_next: RunNext
) -> None:
    run_connect(client_socket, run_next, answer)
    result = consumer(outside(client_socket))
    if iscoroutinefunction(consumer):
        asyncio.run(result)
    assert saved(client_socket) == {"room": "tea"}


def test_outside_a_delivery_an_unserialisable_value_raises(
    client_socket: Client, run_next: RunNext
) -> None:
    @channel_session
    def break_it(message: Message) -> None:
        message.channel_session["room"] = object()

    run_connect(client_socket, run_next, answer)
    with pytest.raises(MessageError):
        break_it(outside(client_socket))


def test_a_function_replaces_the_decorator(client_socket: Client) -> None:
    client_socket.connect()
    layer = client_socket.layer
    delivery = pull_one(layer)
    message = Message(layer.content(delivery), delivery.channel, layer, delivery)
    session = session_for_message(message, client_socket.reply_channel)
    assert session.session_key == client_socket.reply_channel
    assert dict(session.items()) == {}


# The decorator


def test_it_returns_the_consumers_result(client_socket: Client) -> None:
    @channel_session
    def give(message: Message, *, number: int) -> int:
        return number

    assert give(outside(client_socket), number=5) == 5
    assert (give.__name__, give.__module__) == ("give", __name__)


@BOTH_KINDS
def test_sync_and_async_consumers_keep_their_kind(consumer: Consumer) -> None:
    assert iscoroutinefunction(consumer) == iscoroutinefunction(consumer.__wrapped__)  # type: ignore[attr-defined]


def test_it_works_on_methods(client_socket: Client) -> None:
    class Room:
        @channel_session
        def enter(self, message: Message) -> Any:
            return message.channel_session

    assert Room().enter(outside(client_socket)).session_key == client_socket.reply_channel


def test_decorating_twice_gives_one_session(client_socket: Client, run_next: RunNext) -> None:
    @channel_session
    def outer(message: Message) -> None:
        message.channel_session["outer"] = 1
        remember(message)

    run_connect(client_socket, run_next, outer)
    assert saved(client_socket) == {"outer": 1, "room": "tea"}


@pytest.mark.parametrize("arguments", [(), (1, 2), ("a", "b", "c")])
def test_it_needs_a_message(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="^channel_session called without Message instance$"):
        remember(*arguments)


def test_it_needs_a_reply_channel(memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(ValueError, match=r"^No reply_channel sent to consumer; @channel_session"):
        remember(Message({}, "background", memory_layer))


# enforce_ordering


@pytest.mark.parametrize("decorator", [enforce_ordering, enforce_ordering()])
@pytest.mark.parametrize("is_async", [False, True])
def test_enforce_ordering_provides_the_session_and_stores_nothing(
    is_async: bool, decorator: Any, client_socket: Client, run_next: RunNext
) -> None:
    def count(message: Message) -> None:
        message.channel_session["orders"] = [
            *message.channel_session.get("orders", []),
            message["order"],
        ]

    async def count_async(message: Message) -> None:
        count(message)

    consumer = decorator(count_async if is_async else count)
    client_socket.connect()
    run_next(consumer)
    for _ in range(2):
        client_socket.send("hi")
        run_next(consumer)
    assert saved(client_socket) == {"orders": [0, 1, 2]}


def test_enforce_ordering_refuses_a_message_without_order(client_socket: Client) -> None:
    with pytest.raises(ValueError, match="^No `order` value in message; @enforce_ordering"):
        enforce_ordering(lambda message: None)(outside(client_socket))


def test_slight_ordering_is_refused() -> None:
    with pytest.raises(ValueError, match="^Slight ordering is now always on"):
        enforce_ordering(slight=True)


# http_session


@pytest.fixture
def browser_session() -> SessionStore:
    """A session that a view has created."""
    session = SessionStore()
    session["cart"] = ["tea"]
    session.save()
    return session


def cookie_of(session: SessionStore) -> list[list[bytes]]:
    return [[b"cookie", f"sessionid={session.session_key}".encode()]]


@http_session
def buy(message: Message) -> None:
    session = message.http_session
    assert session is not None
    session["cart"] = [*session.get("cart", []), "milk"]


@http_session
async def buy_async(message: Message) -> None:
    session = message.http_session
    assert session is not None
    await session.aset("cart", [*await session.aget("cart", []), "milk"])


BUY = pytest.mark.parametrize("consumer", [buy, buy_async])


@BUY
@pytest.mark.django_db(transaction=True)
def test_http_session_belongs_to_the_cookie_and_is_saved(
    consumer: Consumer, browser_session: SessionStore, client_socket: Client, run_next: RunNext
) -> None:
    client_socket.connect(headers=cookie_of(browser_session))
    run_next(consumer)
    assert SessionStore(browser_session.session_key)["cart"] == ["tea", "milk"]


@BUY
@pytest.mark.django_db(transaction=True)
def test_http_session_key_may_be_in_the_query_string(
    consumer: Consumer, browser_session: SessionStore, client_socket: Client, run_next: RunNext
) -> None:
    query = f"session_key={browser_session.session_key}".encode()
    client_socket.connect(query_string=query)
    run_next(consumer)
    assert SessionStore(browser_session.session_key)["cart"] == ["tea", "milk"]


BAD_COOKIES = [b'sessionid="abcdefgh\\000"', b"sessionid=a b\x00c", b"sessionid=" + b"a" * 9000]


@pytest.mark.parametrize("cookie", BAD_COOKIES)
@pytest.mark.parametrize("engine", ["cache", "cached_db", "db"])
def test_an_invalid_cookie_gives_no_session(
    cookie: bytes, engine: str, client_socket: Client, run_next: RunNext, settings: Settings
) -> None:
    """A cache warning, which a key that Memcached refuses would cause, fails this test."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    seen = []

    @channel_and_http_session_user_from_http
    def connect(message: Message) -> None:
        seen.extend([message.http_session, message.user.is_anonymous])

    client_socket.connect(headers=[[b"cookie", cookie]])
    assert run_next(connect) is Committed.DONE
    assert seen == [None, True]


def test_http_session_is_none_without_a_key(client_socket: Client, run_next: RunNext) -> None:
    seen: list[Any] = []
    client_socket.connect()
    run_next(http_session(lambda message: seen.append(message.http_session)))
    client_socket.send("hi")
    run_next(http_session(lambda message: seen.append(message.http_session)))
    assert seen == [None, None]


def test_http_session_is_not_saved_if_the_consumer_raises(
    browser_session: SessionStore, client_socket: Client, run_next: RunNext
) -> None:
    @http_session
    def fail(message: Message) -> None:
        buy(message)
        assert message.http_session is not None
        message.http_session["cart"] = []
        raise LookupError

    client_socket.connect(headers=cookie_of(browser_session))
    run_next(fail)
    assert SessionStore(browser_session.session_key)["cart"] == ["tea", "milk"]


@http_session
def mark(message: Message) -> None:
    assert message.http_session is not None
    message.http_session.modified = True


@pytest.mark.parametrize("consumer", [buy, mark])
@pytest.mark.parametrize("end", ["never there", "before", "meanwhile"])
def test_a_missing_http_session_is_not_created(
    end: str,
    consumer: Any,
    browser_session: SessionStore,
    client_socket: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @http_session
    def log_out_meanwhile(message: Message) -> None:
        consumer.__wrapped__(message)
        if end == "meanwhile":
            Session.objects.all().delete()

    if end == "never there":
        browser_session._session_key = "neverthere01234567890123456789ab"
    if end != "meanwhile":
        Session.objects.all().delete()
    client_socket.connect(headers=cookie_of(browser_session))
    run_next(log_out_meanwhile)
    assert Session.objects.count() == 0
    assert caplog.text == ""


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"])
def test_an_http_session_deleted_during_the_save_is_not_recreated(
    engine: str,
    client_socket: Client,
    run_next: RunNext,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    store = import_module(settings.SESSION_ENGINE).SessionStore
    session = store()
    session["cart"] = ["tea"]
    session.save()

    def exists(self: Any, session_key: str) -> bool:
        store(session_key).delete()
        return True

    client_socket.connect(headers=cookie_of(session))
    with monkeypatch.context() as patch:
        patch.setattr(store, "exists", exists)
        run_next(buy)
    assert not store().exists(session.session_key)
    assert caplog.text == ""


def test_http_session_of_a_message_without_a_path_is_refused(
    client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    Channel("second").send({"reply_channel": client_socket.reply_channel})
    with caplog.at_level(logging.ERROR):
        run_next(buy, "second")
    assert "Cannot parse HTTP message" in caplog.text


# channel_and_http_session


@BUY
@pytest.mark.django_db(transaction=True)
def test_later_messages_have_both_sessions(
    consumer: Any, browser_session: SessionStore, client_socket: Client, run_next: RunNext
) -> None:
    both = channel_and_http_session(consumer.__wrapped__)
    client_socket.connect(headers=cookie_of(browser_session))
    run_next(both)
    client_socket.send("hi")
    run_next(both)
    assert SessionStore(browser_session.session_key)["cart"] == ["tea", "milk", "milk"]
    assert saved(client_socket) == {"sessionid": browser_session.session_key}


@pytest.mark.parametrize("when", ["before", "after"])
def test_frames_after_a_logout_create_no_session(
    when: str, browser_session: SessionStore, client_socket: Client, run_next: RunNext
) -> None:
    both = channel_and_http_session(buy.__wrapped__)  # type: ignore[attr-defined]
    if when == "before":
        browser_session.flush()
        browser_session._session_key = "neverthere01234567890123456789ab"
    client_socket.connect(headers=cookie_of(browser_session))
    run_next(both)
    Session.objects.all().delete()
    client_socket.send("hi")
    run_next(both)
    assert Session.objects.count() == 0
    assert client_socket.released == [0, 1]


def test_both_sessions_without_a_cookie(client_socket: Client, run_next: RunNext) -> None:
    @channel_and_http_session
    def look(message: Message) -> None:
        assert message.http_session is None
        message.channel_session["room"] = "tea"

    client_socket.connect()
    run_next(look)
    assert saved(client_socket) == {"room": "tea"}


# HTTP by workers


def request_of(layer: InMemoryChannelLayer, **content: Any) -> Exchange:
    exchange = Exchange(layer)
    exchange.publish(**content)
    return exchange


def test_a_request_has_the_session_of_its_browser(
    memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    @http_session
    def count(message: Message) -> None:
        assert message.http_session is not None
        message.http_session["count"] = message.http_session.get("count", 0) + 1
        message.reply_channel.send({"status": 200, "content": b""})

    session = SessionStore()
    session.create()
    cookie = f"sessionid={session.session_key}".encode()
    request_of(memory_layer, headers=[[b"cookie", cookie]])
    run_next(count, "http.request")
    request_of(memory_layer, query_string=f"session_key={session.session_key}".encode())
    run_next(count, "http.request")
    assert SessionStore(session.session_key)["count"] == 2


def test_a_request_and_its_end_share_their_sessions(
    memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    @channel_and_http_session
    def begin(message: Message) -> None:
        message.channel_session["path"] = message["path"]

    @channel_and_http_session
    def end(message: Message) -> None:
        assert message.http_session is not None
        ended.append((message.channel_session["path"], message.http_session["name"]))

    ended: list[Any] = []
    session = SessionStore()
    session["name"] = "Ann"
    session.create()
    cookie = f"sessionid={session.session_key}".encode()
    exchange = request_of(memory_layer, path="/poll/", headers=[[b"cookie", cookie]])
    run_next(begin, "http.request")
    exchange.close()
    run_next(end, "http.disconnect")
    assert ended == [("/poll/", "Ann")]
