"""`@envelope` for functions, `def` and `async def`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from channels_workers.envelope import (
    DEFERRED,
    EnvelopeConsumer,
    Refused,
    accept,
    asend,
    envelope,
    send,
)
from channels_workers.exceptions import ConsumeLater
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.once import once
from tests.channels_workers.envelope.conftest import Site, Socket

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Said:
    text: str


def act(message: Message) -> Any:
    """What both functions do."""
    text = message.envelope.payload.text
    replies, _, ending = text.rpartition(", ")
    for _ in replies.split():
        message.reply({"replied": True})
    match ending:
        case "refuse":
            raise Refused("denied", "No.")
        case "fail":
            raise RuntimeError
        case "late":
            raise ConsumeLater
        case "deferred":
            return DEFERRED
    return {"text": text, "seen": message.channel_session.setdefault("seen", text)}


def room_of(message: Message, group: str) -> str | None:
    return f"room-{group}" if group.isdigit() else None


async def room_of_async(message: Message, group: str) -> str | None:
    return room_of(message, group)


@envelope(may_join=room_of, payload=Said)
def function(message: Message, name: str = "") -> Any:
    send(message.reply_channel, "first")
    return act(message)


@envelope(may_join=room_of_async, payload=Said)
async def coroutine(message: Message, name: str = "") -> Any:
    await asend(message.reply_channel, "first")
    return act(message)


@envelope(may_join=room_of)
async def coroutine_with_function(message: Message) -> Any:
    return message.envelope.payload


@envelope
def bare(message: Message) -> Any:
    return message.envelope.payload


BOTH = pytest.mark.parametrize("consumer", [function, coroutine])


def connect(site: Site, consumer: Callable[..., Any]) -> Socket:
    socket = site.connect(EnvelopeConsumer)
    socket.contents()
    socket.consumer = consumer
    return socket


def ask(socket: Socket, text: Any, id: int = 1) -> list[dict[str, Any]]:  # noqa: A002
    first, *answers = socket.ask({"type": "request", "id": id, "payload": {"text": text}})
    assert first == {"type": "message", "payload": "first"}
    return answers


@BOTH
def test_requests(site: Site, consumer: Callable[..., Any]) -> None:
    socket = connect(site, consumer)
    reply = {"type": "reply", "id": 1}
    assert ask(socket, "a") == [{**reply, "payload": {"text": "a", "seen": "a"}}]
    assert ask(socket, "b") == [{**reply, "payload": {"text": "b", "seen": "a"}}]
    assert ask(socket, "reply, end") == [{**reply, "payload": {"replied": True}}]
    assert ask(socket, "deferred") == []
    denied = {"type": "error", "id": 1, "code": "denied", "message": "No."}
    assert ask(socket, "refuse") == [denied]
    assert ask(socket, "reply, refuse") == [denied]
    for text in ("fail", "reply, fail", "reply reply, end"):
        [answer] = ask(socket, text)
        assert (answer["type"], answer["code"], answer["id"]) == ("error", "failed", 1)
    [answer] = socket.ask({"type": "request", "id": 1, "payload": {"text": 1}})
    assert (answer["code"], answer["fields"][0]["field"]) == ("invalid", "text")
    assert socket.ask({"type": "ping"}) == [{"type": "pong"}]
    assert socket.ask({"payload": {"text": "a"}, "nonce": "n"})[1:] == [
        {"type": "ack", "nonce": "n"}
    ]
    assert socket.ask({"payload": {"text": "a"}, "nonce": "n"}) == [{"type": "ack", "nonce": "n"}]


@BOTH
def test_a_reply_needs_a_request(site: Site, consumer: Callable[..., Any]) -> None:
    [_, answer] = connect(site, consumer).ask({"payload": {"text": "reply, end"}})
    assert answer["code"] == "failed"


@BOTH
def test_dead_letters(site: Site, consumer: Callable[..., Any]) -> None:
    socket = connect(site, consumer)
    socket.send({"type": "request", "id": 1, "payload": {"text": "late"}})
    for _ in range(11):
        site.finish(consumer)
    socket.wait()
    [answer] = socket.take()
    assert (answer["code"], answer["id"]) == ("failed", 1)


@pytest.mark.parametrize("consumer", [function, coroutine, coroutine_with_function])
def test_joins(site: Site, consumer: Callable[..., Any]) -> None:
    socket = connect(site, consumer)
    assert socket.ask({"type": "join", "id": 1, "group": "12"}) == [
        {"type": "joined", "id": 1, "group": "12", "name": "room-12", "gap": False}
    ]
    assert site.layer.members("room-12")
    [answer] = socket.ask({"type": "join", "id": 1, "group": "x"})
    assert answer["code"] == "denied"
    assert socket.ask({"type": "leave", "id": 1, "group": "12"}) == [
        {"type": "left", "id": 1, "group": "12"}
    ]
    assert socket.ask({"type": "join", "id": 1, "group": "12"})


def test_without_options(site: Site) -> None:
    socket = connect(site, bare)
    assert socket.ask({"type": "request", "id": 1, "payload": [1], "stream": "any"}) == [
        {"type": "reply", "id": 1, "payload": [1]}
    ]
    [answer] = socket.ask({"type": "join", "id": 1, "group": "12"})
    assert answer["code"] == "denied"


def test_it_is_for_frames_only(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    socket = Socket(site, bare)
    socket.publish("websocket.connect", {})
    outcome = site.finish(bare)
    assert isinstance(outcome.error, ValueError)
    assert "accept(message)" in str(outcome.error)


def test_accept_in_a_function(site: Site) -> None:
    socket = site.connect(accept)
    assert socket.contents() == [{"accept": True, "subprotocol": "channels-workers.v1"}]


def test_what_it_does_not_decorate() -> None:
    with pytest.raises(TypeError, match="Use EnvelopeConsumer"):
        envelope(EnvelopeConsumer)
    with pytest.raises(TypeError, match="above @envelope"):
        envelope(once(bare))
    with pytest.raises(TypeError, match="Write both the same way"):
        envelope(may_join=room_of_async)(lambda message: None)


def test_a_call_in_a_test() -> None:
    layer = InMemoryChannelLayer()
    content = {"text": '{"payload": 1, "type": "request", "id": 1}', "reply_channel": "out"}
    message = Message(content, "websocket.receive", layer)
    bare(message)
    assert message.envelope.payload == 1
