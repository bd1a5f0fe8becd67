import datetime as dt
import json
import logging
from typing import Any, ClassVar

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client as Browser
from pytest_django import Settings

from channels_workers.channel import Group
from channels_workers.exceptions import DenyConnection, SendNotAvailableOnDemultiplexer
from channels_workers.generic.websockets import (
    JsonWebsocketConsumer,
    WebsocketConsumer,
    WebsocketDemultiplexer,
    WebsocketMultiplexer,
)
from channels_workers.message import Message
from tests.channels_workers.clients import Client
from tests.channels_workers.conftest import RunNext

# Signals around a consumer clean up database connections.
pytestmark = pytest.mark.django_db


def play(client: Client, run_next: RunNext, consumer: Any, *frames: Any) -> list[Any]:
    """Connect, send the frames, disconnect. Returns what the client received."""
    client.connect()
    run_next(consumer)
    for frame in frames:
        client.send(frame if isinstance(frame, str) else json.dumps(frame))
        run_next(consumer)
    replies = list(client.replies)
    client.leave()
    run_next(consumer)
    return replies


def run_binary(client: Client, run_next: RunNext, consumer: Any, data: bytes) -> None:
    client.order += 1
    layer, order = client.layer, client.order
    payload = layer.encode({"path": client.path, "bytes": data})
    layer.store.publish("websocket.receive", client.reply_channel, order, payload, b"")
    run_next(consumer)


# WebsocketConsumer


class Echo(WebsocketConsumer):
    """Sends back what it receives."""

    def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
        self.send(text=text, bytes=bytes)


def test_it_accepts_and_receives_text(client_socket: Client, run_next: RunNext) -> None:
    assert play(client_socket, run_next, Echo, "hi") == [{"accept": True}, {"text": "hi"}]


def test_it_receives_bytes(client_socket: Client, run_next: RunNext) -> None:
    client_socket.connect()
    run_next(Echo)
    run_binary(client_socket, run_next, Echo, b"\x00\xff")
    assert client_socket.replies[-1] == {"bytes": b"\x00\xff"}


def test_default_methods_do_nothing(client_socket: Client, run_next: RunNext) -> None:
    assert play(client_socket, run_next, WebsocketConsumer, "hi") == [{"accept": True}]


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        ({"text": "bye"}, {"text": "bye"}),
        ({"text": ""}, {"text": ""}),
        ({"bytes": b"bye"}, {"bytes": b"bye"}),
        ({"text": "bye", "close": True}, {"text": "bye", "close": True}),
        ({"text": "bye", "close": 4000}, {"text": "bye", "close": 4000}),
    ],
)
def test_everything_that_it_can_send(
    arguments: dict[str, Any], content: dict[str, Any], client_socket: Client, run_next: RunNext
) -> None:
    class Sender(WebsocketConsumer):
        """Sends one message to its socket and one to its group."""

        groups = ("all",)

        def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
            self.send(**arguments)
            self.group_send("all", **arguments)

    assert play(client_socket, run_next, Sender, "go")[1:] == [content, content]


class Returning(Echo):
    """Greets a client that is back, unless it is a stranger."""

    groups: ClassVar[list[str]] = ["room"]
    channel_session = True

    def connect(self, message: Message, **kwargs: Any) -> None:
        message.channel_session["name"] = "ann"
        self.send(text="welcome")

    def resume(self, message: Message, **kwargs: Any) -> None:
        if message["query_string"] != b"ann":
            raise DenyConnection("it is a stranger")
        self.send(text=f"welcome back, {message.channel_session['name']}")


def test_a_client_may_come_back(client_socket: Client, run_next: RunNext) -> None:
    client_socket.connect()
    run_next(Returning)
    client_socket.resume(query_string=b"ann")
    run_next(Returning)
    Group("room").send({"text": "to all"})
    assert [each["text"] for each in client_socket.replies] == [
        "welcome",
        "welcome back, ann",
        "to all",
    ]
    client_socket.resume(query_string=b"bob")
    run_next(Returning)
    assert client_socket.replies[-1] == {"close": True}


def test_its_workers_listen_to_resumes_only_with_the_setting(settings: Settings) -> None:
    assert "websocket.resume" not in WebsocketConsumer.channel_names()
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30}
    assert "websocket.resume" in WebsocketConsumer.channel_names()


def test_sending_nothing_is_an_error(
    client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    class Nothing(WebsocketConsumer):
        """Sends an empty message."""

        def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
            self.send(close=True)

    assert play(client_socket, run_next, Nothing, "go") == [{"accept": True}]
    assert "You must pass text or bytes" in caplog.text
    with pytest.raises(ValueError, match="You must pass text or bytes"):
        WebsocketConsumer.group_send("all")


@pytest.mark.parametrize(("arguments", "close"), [((), True), ((4001,), 4001)])
def test_it_closes(
    arguments: tuple[int, ...], close: Any, client_socket: Client, run_next: RunNext
) -> None:
    class Closer(WebsocketConsumer):
        """Closes at the first frame."""

        def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
            self.close(*arguments)

    assert play(client_socket, run_next, Closer, "go")[1:] == [{"close": close}]


def test_its_groups_are_joined_and_left(client_socket: Client, run_next: RunNext) -> None:
    class Room(WebsocketConsumer):
        """Puts its sockets into groups that the route names."""

        def connection_groups(self, **kwargs: Any) -> list[str]:
            return ["all", f"room-{kwargs['room']}"]

        def disconnect(self, message: Message, **kwargs: Any) -> None:
            seen.append((kwargs, message["code"]))

    seen: list[Any] = []

    def consumer(message: Message) -> None:
        Room(message, room="tea")

    client_socket.connect()
    run_next(consumer)
    Group("room-tea").send({"text": "to the room"})
    Group("all").send({"text": "to all"})
    assert client_socket.replies[1:] == [{"text": "to the room"}, {"text": "to all"}]
    client_socket.leave(4000)
    run_next(consumer)
    client_socket.layer.drain()
    assert client_socket.layer.members("room-tea") == set()
    assert seen == [({"room": "tea"}, 4000)]


def test_a_group_name_instead_of_a_list_is_refused(
    client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong(WebsocketConsumer):
        """Names its groups by a string."""

        groups = "all"

    play(client_socket, run_next, Wrong)
    assert "connection_groups() must return a list of names, not 'all'" in caplog.text


def test_strict_ordering_implies_a_session(client_socket: Client, run_next: RunNext) -> None:
    class Counter(WebsocketConsumer):
        """Counts frames."""

        strict_ordering = True

        def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
            session = self.message.channel_session
            session["count"] = session.get("count", 0) + 1
            self.send(text=f"{session['count']} {self.path}")

    replies = play(client_socket, run_next, Counter, "a", "b")
    assert replies[1:] == [{"text": "1 /chat/"}, {"text": "2 /chat/"}]


def test_slight_ordering_is_refused(
    client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    class Slight(WebsocketConsumer):
        """Requests what is always on."""

        slight_ordering = True

    play(client_socket, run_next, Slight)
    assert "Slight ordering is now always on" in caplog.text


@pytest.mark.parametrize("attribute", ["http_user", "http_user_and_session"])
def test_every_message_has_the_user(
    attribute: str, client_socket: Client, run_next: RunNext
) -> None:
    seen: list[Any] = []

    class Who(WebsocketConsumer):
        """Records the user and the HTTP session."""

        def connect(self, message: Message, **kwargs: Any) -> None:
            seen.append((message.user.username, message.http_session is not None))

        def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
            message = self.message
            seen.append((message.user.username, message.http_session is not None))

    setattr(Who, attribute, True)
    browser = Browser()
    browser.force_login(get_user_model().objects.create_user("ann"))
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME].OutputString([])
    client_socket.connect(headers=[[b"cookie", cookie.encode()]])
    run_next(Who)
    client_socket.send("hi")
    run_next(Who)
    assert seen[0] == ("ann", True)
    # As in 1.1.8: the HTTP session's user is only in the handshake.
    assert seen[1] == (("ann", True) if attribute == "http_user_and_session" else ("ann", False))


async def slow(*args: Any, **kwargs: Any) -> None:
    pass


HOOKS = ["connect", "receive", "disconnect"]


@pytest.mark.parametrize("name", [*HOOKS, "raw_receive", "connection_groups"])
def test_async_methods_are_refused_at_class_creation(name: str) -> None:
    with pytest.raises(TypeError, match=f"Made.{name} is `async def`, which class-based"):
        type("Made", (type("Mixin", (), {name: slow}), WebsocketConsumer), {})


@pytest.mark.parametrize("base", [WebsocketConsumer, JsonWebsocketConsumer])
@pytest.mark.parametrize("attribute", ["none", "http_user", "strict_ordering"])
@pytest.mark.parametrize("name", HOOKS)
def test_a_method_that_returns_a_coroutine_is_an_error(
    name: str,
    attribute: str,
    base: type[WebsocketConsumer],
    client_socket: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    consumer: Any = type("Later", (base,), {attribute: True})
    setattr(consumer, name, slow)
    play(client_socket, run_next, consumer, "{}")
    assert caplog.text.count("TypeError") == 1
    assert "slow returned a coroutine, which class-based consumers do not run" in caplog.text


# JsonWebsocketConsumer


class JsonEcho(JsonWebsocketConsumer):
    """Sends back what it receives."""

    def receive(self, content: Any, **kwargs: Any) -> None:
        self.send({"got": content})


@pytest.mark.parametrize("content", [{"a": [1, None]}, [1], "text", 5, None, "ä🙂"])
def test_json_is_decoded_and_encoded(
    content: Any, client_socket: Client, run_next: RunNext
) -> None:
    replies = play(client_socket, run_next, JsonEcho, json.dumps(content))
    assert json.loads(replies[1]["text"]) == {"got": content}


@pytest.mark.parametrize("frame", ["", "{", "not json"])
def test_invalid_json_is_logged(
    frame: str, client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    assert play(client_socket, run_next, JsonEcho, frame, {"still": "here"})[1:] == [
        {"text": '{"got": {"still": "here"}}'}
    ]
    assert "JSONDecodeError" in caplog.text


def test_binary_frames_are_not_json(
    client_socket: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    client_socket.connect()
    run_next(JsonEcho)
    run_binary(client_socket, run_next, JsonEcho, b"{}")
    assert "No text section for incoming WebSocket frame!" in caplog.text


def test_default_methods_take_json_and_do_nothing(client_socket: Client, run_next: RunNext) -> None:
    assert play(client_socket, run_next, JsonWebsocketConsumer, {}) == [{"accept": True}]


def test_a_group_receives_json(client_socket: Client, run_next: RunNext) -> None:
    class Room(JsonWebsocketConsumer):
        """Sends to its group."""

        groups = ("all",)

        def receive(self, content: Any, **kwargs: Any) -> None:
            self.group_send("all", content, close=4000)

    replies = play(client_socket, run_next, Room, {"a": 1})
    assert replies[1:] == [{"text": '{"a": 1}', "close": 4000}]


# WebsocketDemultiplexer


class Adder(JsonWebsocketConsumer):
    """Sends the sum to the socket and the group."""

    def connect(self, message: Message, multiplexer: Any = None, **kwargs: Any) -> None:
        multiplexer.send({"ready": multiplexer.stream})

    def receive(self, content: Any, multiplexer: Any = None, **kwargs: Any) -> None:
        multiplexer.send({"sum": sum(content["numbers"]), "room": kwargs.get("room")})
        multiplexer.group_send("all", multiplexer.stream, {"day": dt.date(2026, 11, 21)})


class Shouter(JsonWebsocketConsumer):
    """Sends in a way that a stream does not allow."""

    def receive(self, content: Any, **kwargs: Any) -> None:
        self.send(content)


class Streams(WebsocketDemultiplexer):
    """Two streams."""

    groups = ("all",)
    consumers: ClassVar[dict[str, type[JsonWebsocketConsumer]]] = {"add": Adder, "shout": Shouter}

    def connect(self, message: Message, **kwargs: Any) -> None:
        multiplexed = {name: self.consumers[name] for name in ("add",)}
        message.reply_channel.send({"accept": True})
        for stream, consumer in multiplexed.items():
            consumer(message, multiplexer=self.multiplexer_class(stream, message.reply_channel))


def texts(replies: list[Any]) -> list[Any]:
    return [json.loads(reply["text"]) for reply in replies if "text" in reply]


def test_a_frame_goes_to_the_consumer_of_its_stream(
    client_socket: Client, run_next: RunNext
) -> None:
    frame = {"stream": "add", "payload": {"numbers": [1, 2]}}
    replies = play(client_socket, run_next, Streams, frame)
    assert replies[0] == {"accept": True}
    assert texts(replies) == [
        {"stream": "add", "payload": {"ready": "add"}},
        {"stream": "add", "payload": {"sum": 3, "room": None}},
        {"stream": "add", "payload": {"day": "2026-11-21"}},
    ]


def test_each_consumer_gets_connect_and_disconnect(
    client_socket: Client, run_next: RunNext
) -> None:
    seen: list[Any] = []

    class Listener(JsonWebsocketConsumer):
        """Records its messages."""

        def connect(self, message: Message, multiplexer: Any = None, **kwargs: Any) -> None:
            seen.append(("connect", multiplexer.stream, kwargs))

        def disconnect(self, message: Message, multiplexer: Any = None, **kwargs: Any) -> None:
            seen.append(("disconnect", multiplexer.stream, kwargs))

    class Both(WebsocketDemultiplexer):
        """Two streams of one kind."""

        consumers: ClassVar[dict[str, type[JsonWebsocketConsumer]]] = {"a": Listener, "b": Listener}

    def consumer(message: Message) -> None:
        Both(message, room="tea")

    assert play(client_socket, run_next, consumer) == [{"accept": True}]
    assert seen == [
        (event, stream, {"room": "tea"})
        for event in ("connect", "disconnect")
        for stream in ("a", "b")
    ]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([], "no channel/payload key"),
        ("text", "no channel/payload key"),
        ({"stream": "add"}, "no channel/payload key"),
        ({"stream": "other", "payload": {}}, "stream not mapped"),
        ({"stream": ["add"], "payload": {}}, "stream not mapped"),
        ({"stream": "add", "payload": [1]}, "payload is not a dict"),
        ({"stream": "shout", "payload": {}}, "Use multiplexer.send of the multiplexer kwarg."),
    ],
)
def test_invalid_frames_are_logged_and_affect_nobody_else(
    frame: Any,
    message: str,
    client_socket: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = {"stream": "add", "payload": {"numbers": [2, 3]}}
    with caplog.at_level(logging.ERROR):
        replies = play(client_socket, run_next, Streams, json.dumps(frame), good)
    assert message in caplog.text
    assert texts(replies)[1] == {"stream": "add", "payload": {"sum": 5, "room": None}}


@pytest.mark.parametrize("stream", [1, 2.5, None, "add"])
def test_stream_names_may_be_any_json_value(
    stream: Any, client_socket: Client, run_next: RunNext
) -> None:
    class Named(WebsocketDemultiplexer):
        """One stream."""

        consumers: ClassVar[dict[Any, type[JsonWebsocketConsumer]]] = {stream: Adder}

    frame = {"stream": stream, "payload": {"numbers": [1, 2]}}
    replies = texts(play(client_socket, run_next, Named, {"stream": "no", "payload": {}}, frame))
    assert replies[1] == {"stream": stream, "payload": {"sum": 3, "room": None}}


def test_a_custom_multiplexer_need_not_call_super() -> None:
    class Bare(WebsocketMultiplexer):
        """Accepts no arguments."""

        def __init__(self, *args: Any) -> None:
            pass

    assert (Bare().stream, Bare().reply_channel) == (None, None)


def test_the_demultiplexer_itself_cannot_send(client_socket: Client, run_next: RunNext) -> None:
    class Sender(Streams):
        """Sends without a stream name."""

        def receive(self, content: Any, **kwargs: Any) -> None:
            with pytest.raises(SendNotAvailableOnDemultiplexer, match=r"Use multiplexer\.send"):
                self.send(content)
            with pytest.raises(SendNotAvailableOnDemultiplexer, match="group_send"):
                self.group_send("all", "add", content)
            raised.append(True)

    raised: list[bool] = []
    play(client_socket, run_next, Sender, {})
    assert raised == [True]


def test_a_group_of_multiplexed_sockets_can_be_closed(
    client_socket: Client, run_next: RunNext
) -> None:
    client_socket.connect()
    run_next(Streams)
    WebsocketMultiplexer.group_send("all", "add", {"bye": True}, close=True)
    assert client_socket.replies[-1] == {
        "text": '{"stream": "add", "payload": {"bye": true}}',
        "close": True,
    }
