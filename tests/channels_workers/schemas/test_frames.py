"""`@receives` and `TypedWebsocketConsumer`, by what their sockets get."""

import json
import logging
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from pytest_django import Settings

from channels_workers.auth import channel_session_user
from channels_workers.declarations import Exchange, declaration_of
from channels_workers.exceptions import DenyConnection
from channels_workers.log_limits import flood
from channels_workers.message import Message
from channels_workers.once import once
from channels_workers.routing import route_class
from channels_workers.schemas import TypedWebsocketConsumer, receives, sends, write
from channels_workers.schemas.frames import REFUSAL
from channels_workers.security.websockets import allowed_hosts_only
from channels_workers.sessions import channel_session
from channels_workers.tokens import issue, token_user
from tests.channels_workers.clients import Client
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.schemas.kinds import Move, Point, Say

pytestmark = pytest.mark.django_db


@receives(Say, Move)
def answer(message: Message) -> None:
    match message.frame:
        case Say(text=text):
            message.reply_channel.send({"text": write(Say(text[::-1]))})
        case Move(to=to):
            message.reply_channel.send({"text": write(to)})


@channel_session
@receives(Say, Move)
async def answer_in_the_loop(message: Message) -> None:
    answer.__wrapped__(message)  # type: ignore[attr-defined]


class Typed(TypedWebsocketConsumer):
    receives = (Say, Move)
    sends = (Say, Point)

    def receive(self, content: Say | Move, **kwargs: Any) -> None:
        self.send(Say(content.text[::-1]) if isinstance(content, Say) else content.to)


class Method(TypedWebsocketConsumer):
    """The decorator on methods, of the base without types."""

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        self.take(**kwargs)

    @receives(Say, Move)
    def take(self, **kwargs: Any) -> None:
        answer.__wrapped__(self.message)  # type: ignore[attr-defined]


CONSUMERS = pytest.mark.parametrize("consumer", [answer, answer_in_the_loop, Typed, Method])


@pytest.fixture(autouse=True)
def all_lines() -> None:
    flood.forget()


def frames(client: Client) -> list[Any]:
    return [json.loads(reply["text"]) for reply in client.replies if "text" in reply]


@CONSUMERS
def test_the_consumer_gets_the_instance(
    consumer: Callable[..., Any], connected: Client, run_next: RunNext
) -> None:
    run_next(lambda message: None)
    connected.send('{"type": "say", "text": "abc"}')
    run_next(consumer)
    connected.send('{"type": "move", "to": {"x": 1, "y": 2}}')
    run_next(consumer)
    assert frames(connected) == [
        {"text": "cba", "type": "say", "to": None},
        {"x": 1.0, "y": 2.0},
    ]


@CONSUMERS
def test_another_frame_gets_an_error_that_names_the_field(
    consumer: Callable[..., Any],
    connected: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_next(lambda message: None)
    connected.send('{"type": "move", "to": {"x": "1", "y": 2}, "nonce": "n1", "id": 7}')
    run_next(consumer)
    assert frames(connected) == [
        {
            "type": "error",
            "code": "invalid",
            "message": "to.x: Input should be a valid number (and 2 more)",
            "fields": [
                {"field": "to.x", "message": "Input should be a valid number"},
                {"field": "nonce", "message": "Unknown field"},
                {"field": "id", "message": "Unknown field"},
            ],
            "id": 7,
            "nonce": "n1",
        }
    ]
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.__dict__["event"] == "invalid_frame"
    assert record.getMessage() == (
        "A frame to /chat/ is not of its type: to.x: Input should be a valid number (and 2 more). "
        "Its client got the error"
    )
    connected.send('{"type": "say", "text": "abc"}')
    run_next(consumer)
    assert frames(connected)[-1]["text"] == "cba"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"say"',
        '{"type": "sing"}',
        "[" * 100_000,
        '{"type": "say", "text": "\\ud800"}',
    ],
)
def test_whatever_comes_the_consumer_does_not_run(
    text: str, connected: Client, run_next: RunNext
) -> None:
    run_next(lambda message: None)
    connected.send(text)
    run_next(answer)
    [frame] = frames(connected)
    assert frame["code"] == "invalid"


def test_a_binary_frame_is_refused(connected: Client, run_next: RunNext) -> None:
    run_next(lambda message: None)
    connected._publish("websocket.receive", {"bytes": b"{}"})
    run_next(answer)
    [frame] = frames(connected)
    assert frame["message"] == "Expected a text frame with JSON, got a binary one"


@pytest.mark.parametrize(
    ("given", "echo"),
    [
        ({"id": "a b", "nonce": 0}, {"id": "a b", "nonce": 0}),
        ({"id": 2**53 - 1}, {"id": 2**53 - 1}),
        *(({"id": value, "nonce": value}, {}) for value in (2**53, -1, 1.5, True, None, [], "")),
        *(({"id": value, "nonce": value}, {}) for value in ("x" * 65, "\n", "ü", "\0")),
    ],
)
def test_an_error_returns_only_valid_ids(
    given: dict[str, Any], echo: dict[str, Any], connected: Client, run_next: RunNext
) -> None:
    run_next(lambda message: None)
    connected.send(json.dumps(given))
    run_next(answer)
    [frame] = frames(connected)
    assert {key: frame[key] for key in ("id", "nonce") if key in frame} == echo


def test_other_messages_are_not_read(connected: Client, run_next: RunNext) -> None:
    run_next(answer_connect)
    connected.leave()
    run_next(answer_connect)


@receives(Say)
def answer_connect(message: Message) -> None:
    assert not hasattr(message, "frame")


@pytest.mark.django_db(transaction=True)
def test_once_stores_nothing_for_a_wrong_frame(connected: Client, run_next: RunNext) -> None:
    run_next(lambda message: None)
    connected.send("{}")
    run_next(once(answer))
    [frame] = frames(connected)
    assert frame["fields"] == [{"field": "type", "message": "Field required"}]


def test_token_frames_are_taken_before(
    client_socket: Client, run_next: RunNext, settings: Settings, django_user_model: Any
) -> None:
    settings.CHANNEL_TOKENS = {"VALIDATORS": ["channels_workers.tokens.signed.validate"]}
    token = issue(django_user_model.objects.create_user("ann"))
    client_socket.connect(token=token)
    run_next(token_user(lambda message: None))
    client_socket.send(json.dumps({"type": "channels_workers.token", "token": token}))
    run_next(token_user(answer))
    assert [frame["type"] for frame in frames(client_socket)] == ["channels_workers.token"]


def test_what_it_declares_passes_decorators() -> None:
    @allowed_hosts_only
    @channel_session_user
    @sends(Point, group="room-{name}")
    @receives(Say, Move, by="type", extra="ignore")
    @sends(Say)
    def consumer(message: Message) -> None:
        raise DenyConnection

    assert declaration_of(consumer).exchanges == (
        Exchange("send", (Point,), group="room-{name}"),
        Exchange("receive", (Say, Move), extra="ignore"),
        Exchange("send", (REFUSAL,), frame="error"),
        Exchange("send", (Say,)),
    )
    assert [each.action for each in declaration_of(Typed).exchanges] == ["receive", "send", "send"]


def test_the_error_is_of_its_schema(connected: Client, run_next: RunNext) -> None:
    run_next(lambda message: None)
    connected.send('{"id": 5, "nonce": "n"}')
    run_next(answer)
    [frame] = frames(connected)
    jsonschema.Draft7Validator(REFUSAL.schema).validate(frame)


def test_types_that_cannot_be_told_apart_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="Point needs a field 'type'"):
        receives(Say, Point)
    with pytest.raises(TypeError, match="Point needs a field 'type'"):
        type("Wrong", (TypedWebsocketConsumer,), {"receives": (Say, Point)})


def test_a_typed_consumer_can_be_routed() -> None:
    assert route_class(Typed, path="^/typed/$").channel_names() == {
        "websocket.connect",
        "websocket.receive",
        "websocket.disconnect",
    }
