import warnings
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from channels_workers import test
from channels_workers.auth import (
    channel_session_user,
    channel_session_user_from_http,
    http_session_user,
)
from channels_workers.exceptions import DenyConnection
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.routing import route
from channels_workers.security.websockets import allowed_hosts_only
from channels_workers.sessions import channel_session, http_session
from channels_workers.test import HttpClient, WSClient, apply_routes
from tests.channels_workers.conftest import MEMORY

Consumer = Callable[..., Any]

BACKENDS = "django.contrib.sessions.backends"


@pytest.fixture(autouse=True)
def layers(settings: Settings, memory_layer: InMemoryChannelLayer) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}, "other": {"BACKEND": MEMORY}}
    settings.CHANNEL_ROUTING = []
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def client() -> WSClient:
    return WSClient()


@pytest.fixture(params=["db", "cached_db", "cache", "file", "signed_cookies"])
def engine(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> str:
    """The engine of HTTP sessions."""
    settings.SESSION_ENGINE = f"{BACKENDS}.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    return settings.SESSION_ENGINE


@pytest.fixture(params=[None, "db", "cache"])
def channel_engine(request: pytest.FixtureRequest, settings: Settings) -> str | None:
    """The engine of channel sessions. None means the layer."""
    settings.CHANNEL_SESSION_ENGINE = request.param and f"{BACKENDS}.{request.param}"
    return settings.CHANNEL_SESSION_ENGINE


def consume(client: WSClient, consumer: Consumer, channel: str = "x", **arguments: Any) -> Any:
    with apply_routes(route(channel, consumer)):
        return client.send_and_consume(channel, **arguments)


def content_of(message: Message) -> Any:
    return message.content


def test_names_of_the_package() -> None:
    assert {name for name in vars(test) if "Client" in name or "Case" in name} <= set(test.__all__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert HttpClient is WSClient


# Contents of a message


def test_the_path_and_the_query_string(client: WSClient) -> None:
    connect = {"channel": "websocket.connect", "check_accept": False}
    content = consume(client, content_of, path="/a/?b=c?d", **connect)
    assert (content["path"], content["query_string"]) == ("/a/", "b=c?d")
    content = consume(client, content_of, path="/a/?b=c")
    assert content["path"] == "/a/"
    assert "query_string" not in content
    assert consume(client, content_of)["path"] == "/"


def test_explicit_values_win(client: WSClient) -> None:
    given = {"path": "/mine/", "headers": [[b"host", b"mine"]], "reply_channel": "mine"}
    assert consume(client, content_of, content=given) == given


@pytest.mark.parametrize(
    ("text", "sent"),
    [("plain", "plain"), ({"a": 1}, '{"a": 1}'), ([], "[]"), (0, "0"), ("", "")],
)
def test_texts(text: Any, sent: str, client: WSClient) -> None:
    assert consume(client, content_of, text=text).get("text") == (sent if text else None)
    assert consume(client, content_of, content={"text": text})["text"] == sent
    assert consume(client, content_of, content={"text": "given"}, text="")["text"] == "given"
    assert "text" not in consume(client, content_of)


def test_the_order() -> None:
    client = WSClient(ordered=True)
    assert [consume(client, lambda message: message["order"]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match='Do not use "order" manually with "ordered=True"'):
        client.send("x", {"order": 3})
    assert consume(WSClient(), lambda message: message["order"], content={"order": 3}) == 3


def test_cookies_and_headers(client: WSClient) -> None:
    client.set_cookie("foo", "bar")
    client.set_cookie("qux", "qu;x ü")
    client.set_header("host", "example.com")
    with pytest.raises(ValueError, match="Use set_cookie method for cookie header"):
        client.set_header("cookie", "foo=bar")
    client.set_header("X-Number", 1)
    headers = dict(consume(client, content_of)["headers"])
    cookies = SimpleCookie(headers[b"cookie"].decode())
    assert (headers[b"host"], headers[b"x-number"]) == (b"example.com", b"1")
    assert {name: morsel.value for name, morsel in cookies.items()}.items() >= {
        ("foo", "bar"),
        ("qux", "qu;x ü"),
    }
    assert "sessionid" in cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://testserver", "X-Number": 1, "empty": ""},
        {b"Origin": b"http://testserver", b"X-Number": b"1"},
        [["Origin", "http://testserver"], ("X-Number", 1)],
        [[b"origin", b"http://testserver"], [b"x-number", b"1"]],
    ],
)
def test_headers_of_one_message(headers: Any, client: WSClient) -> None:
    content = consume(client, content_of, content={"headers": headers})
    assert content["headers"] == [[b"origin", b"http://testserver"], [b"x-number", b"1"]]


def test_headers_are_optional(client: WSClient) -> None:
    assert consume(client, content_of, content={"headers": None})["headers"] is None


def test_the_cookie_header_in_any_case(client: WSClient) -> None:
    with pytest.raises(ValueError, match="Use set_cookie method for cookie header"):
        client.set_header("Cookie", "foo=bar")


def test_the_origin(client: WSClient) -> None:
    guarded = allowed_hosts_only(answer({"accept": True}))
    with pytest.raises(DenyConnection):
        consume(client, guarded, "websocket.connect")
    assert client.receive() == {"close": True}
    client.set_header("origin", "http://testserver")
    consume(client, guarded, "websocket.connect")


def test_the_first_message_carries_the_session_cookie(client: WSClient) -> None:
    key = client.session.session_key
    assert client.get_cookies() == {"sessionid": key}
    cookie = f"sessionid={key}".encode()
    assert client.headers == {"cookie": cookie}
    assert consume(client, content_of)["headers"] == [[b"cookie", cookie]]
    assert client.headers == {"cookie": b""}
    assert consume(client, content_of)["headers"] == []


def test_without_sessions(client: WSClient, settings: Settings) -> None:
    settings.INSTALLED_APPS = ["channels_workers"]
    assert client.get_cookies() == {}
    with pytest.raises(EnvironmentError, match="Add django.contrib.sessions"):
        client.session  # noqa: B018


# Replies


def test_receive(client: WSClient) -> None:
    def consumer(message: Message) -> None:
        for content in ({"text": "[1]"}, {"text": "[2]"}, {"bytes": b"3"}, {"accept": True}):
            message.reply_channel.send(content)

    consume(client, consumer)
    assert client.receive(json=False) == "[1]"
    assert client.receive() == [2]
    assert [client.receive() for _ in range(3)] == [{"bytes": b"3"}, {"accept": True}, None]


def answer(*contents: Any) -> Consumer:
    def consumer(message: Message) -> None:
        for content in contents:
            message.reply_channel.send(content)

    return consumer


def test_an_accepted_socket(client: WSClient) -> None:
    consume(client, answer({"accept": True}, {"text": "1"}), "websocket.connect")
    assert client.receive() == 1


@pytest.mark.parametrize("content", [{"close": True}, {"text": "first"}])
def test_a_refused_socket(content: Any, client: WSClient) -> None:
    with pytest.raises(AssertionError, match="Connection rejected: .* != '{accept: True}'"):
        consume(client, answer(content), "websocket.connect")
    consume(client, answer(content), "websocket.connect", check_accept=False)
    assert client.receive(json=False) == content.get("text", content)


def test_a_consumer_without_an_answer(client: WSClient, settings: Settings) -> None:
    with pytest.raises(AssertionError, match="Connection rejected: None"):
        consume(client, answer(), "websocket.connect")
    settings.CHANNEL_WORKERS = {"CONNECT": "accept"}
    consume(client, answer(), "websocket.connect")


# Sessions


@http_session
def visits_of_browser(message: Any) -> Any:
    return message.http_session.get("visits")


@channel_session
def visits_of_connection(message: Any) -> Any:
    return message.channel_session.get("visits")


@pytest.mark.django_db
def test_a_saved_session(engine: str, channel_engine: str | None, client: WSClient) -> None:
    client.session["visits"] = 3
    client.session.save()
    assert consume(client, visits_of_browser) == 3
    assert consume(client, visits_of_connection) == 3


@pytest.mark.django_db
def test_a_session_saved_after_its_cookie_was_sent(client: WSClient) -> None:
    client.send("x")
    client.session["visits"] = 3
    client.session.save()
    with apply_routes(route("x", visits_of_browser)):
        assert client.consume("x") == 3


@pytest.mark.django_db
@pytest.mark.parametrize("create", ["create", "cycle_key"])
def test_a_session_with_a_new_key(create: str, client: WSClient) -> None:
    client.session["visits"] = 1
    getattr(client.session, create)()
    client.session["visits"] = 3
    client.session.save()
    assert consume(client, visits_of_browser) == 3


@channel_session
def stay(message: Any) -> list[str]:
    message.channel_session["kept"] = True
    return sorted(message.channel_session.keys())


@pytest.mark.django_db
def test_deleted_keys_are_deleted_in_both_sessions(
    channel_engine: str | None, client: WSClient
) -> None:
    client.session["visits"] = 3
    client.session.save()
    assert consume(client, stay) == ["kept", "visits"]
    del client.session["visits"]
    client.session.save()
    assert consume(client, stay) == ["kept"]


@pytest.mark.django_db
def test_a_flushed_session_is_empty_in_both(channel_engine: str | None, client: WSClient) -> None:
    client.session["visits"] = 3
    client.session.save()
    assert consume(client, stay) == ["kept", "visits"]
    client.session.flush()
    assert consume(client, stay) == ["kept"]
    client.session["visits"] = 4
    client.session.save()
    assert consume(client, stay) == ["kept", "visits"]


@pytest.mark.django_db
def test_a_reopened_socket_has_the_session_of_its_browser(client: WSClient) -> None:
    @channel_session
    def enter(message: Any) -> list[str]:
        message.reply_channel.send({"accept": True})
        return sorted(message.channel_session.keys())

    client.session["visits"] = 3
    client.session.save()
    assert consume(client, stay) == ["kept", "visits"]
    assert consume(client, enter, "websocket.connect") == ["kept", "visits"]
    assert consume(client, stay, "websocket.disconnect") == ["kept", "visits"]
    assert consume(client, enter, "websocket.connect") == ["visits"]


@pytest.mark.django_db
def test_the_channel_session_of_another_layer() -> None:
    client = WSClient(alias="other")
    client.session["visits"] = 3
    client.session.save()
    assert consume(client, visits_of_connection) == 3


@pytest.mark.django_db
def test_a_flushed_session_has_no_cookie(client: WSClient) -> None:
    client.session["visits"] = 3
    client.session.save()
    client.session.flush()
    assert client.get_cookies() == {}


def test_clients_without_a_session_need_no_database(client: WSClient) -> None:
    consume(client, answer({"text": "1"}))
    assert client.receive() == 1


# Users


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="lovelace")


def name_of_user(message: Any) -> Any:
    return message.user.username


DECORATORS = pytest.mark.parametrize(
    "decorator",
    [http_session_user, channel_session_user_from_http, channel_session_user],
    ids=lambda decorator: decorator.__name__,
)


@pytest.mark.django_db
@DECORATORS
def test_force_login(
    decorator: Consumer, engine: str, channel_engine: str | None, client: WSClient, ada: User
) -> None:
    client.force_login(ada)
    assert consume(client, decorator(name_of_user)) == "ada"
    assert consume(client, channel_session_user(name_of_user)) == "ada"


@pytest.mark.django_db
@DECORATORS
def test_login(decorator: Consumer, client: WSClient, ada: User) -> None:
    assert client.login(username="ada", password="wrong") is False
    assert client.login(username="ada", password="lovelace") is True
    assert consume(client, decorator(name_of_user)) == "ada"


@pytest.mark.django_db
@DECORATORS
def test_login_as_another_user(decorator: Consumer, client: WSClient, ada: User) -> None:
    client.session["visits"] = 3
    client.force_login(ada)
    client.force_login(User.objects.create_user("bob"))
    assert consume(client, decorator(name_of_user)) == "bob"
    assert "visits" not in client.session


@pytest.mark.django_db
def test_logout_when_nobody_is_logged_in(client: WSClient) -> None:
    assert consume(client, http_session_user(name_of_user)) == ""
    assert consume(client, channel_session_user(name_of_user)) == ""


@pytest.mark.django_db
def test_login_without_sessions(client: WSClient, ada: User, settings: Settings) -> None:
    settings.INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
    assert client.login(username="ada", password="lovelace") is False


@pytest.mark.django_db
def test_a_backend(client: WSClient, ada: User) -> None:
    backend = "django.contrib.auth.backends.AllowAllUsersModelBackend"
    client.force_login(ada, backend=backend)
    assert client.session["_auth_user_backend"] == backend
