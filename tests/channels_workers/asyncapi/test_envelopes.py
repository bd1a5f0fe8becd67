"""The sockets of the protocol `channels-workers.v1` in the document."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import jsonschema
import pytest

from channels_workers.asyncapi.envelopes import declaration_of_streams, members
from channels_workers.declarations import declare
from channels_workers.message import Message
from channels_workers.routing import route
from tests.channels_workers.asyncapi.sites import VALIDATOR, document
from tests.channels_workers.schemas.kinds import Move, Point, Say


@dataclass
class Stream:
    payload: Any = Any
    reply: Any = Any
    description: str = ""


def described(streams: dict[str, Stream], sends: dict[str, Any]) -> dict[str, Any]:
    def consumer(message: Message) -> None: ...

    declare(consumer, declaration_of_streams(streams, sends))
    return document([route("websocket.receive", consumer, path="^/$")]).as_json()


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return described(
        {"talk": Stream(Say | Move, Say, "Talks."), "": Stream(), "end": Stream(reply=None)},
        {"talk": Say, "": (Say, Point)},
    )


def schema_of_message(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "allOf": [found["components"]["messages"][name]["payload"]],
        "components": found["components"],
    }


def is_valid(found: dict[str, Any], name: str, frame: Any) -> bool:
    return jsonschema.Draft7Validator(schema_of_message(found, name)).is_valid(frame)


def test_it_is_valid(found: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(found)] == []


def test_each_stream_takes_messages_and_requests(found: dict[str, Any]) -> None:
    assert list(found["operations"]) == [
        *("root.receive.talk.message", "root.receive.talk.request"),
        *("root.receive.message", "root.receive.request"),
        *("root.receive.end.message", "root.receive.end.request"),
        *("root.send.talk.message", "root.send.message"),
        *("root.receive.join", "root.receive.leave", "root.receive.ping", "root.send.error"),
    ]
    request = found["operations"]["root.receive.talk.request"]
    assert request["description"] == "Talks."
    assert [each["$ref"].rpartition("/")[2] for each in request["messages"]] == [
        *("talk.request.Say", "talk.request.Move"),
    ]
    assert [each["$ref"].rpartition("/")[2] for each in request["reply"]["messages"]] == [
        *("talk.reply.Say", "ErrorFrame"),
    ]


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("talk.message.Say", '{"stream": "talk", "payload": {"type": "say", "text": "hi"}}'),
        (
            "talk.message.Say",
            '{"type": "message", "stream": "talk", "nonce": "n1", '
            '"payload": {"type": "say", "text": "hi"}}',
        ),
        (
            "talk.request.Say",
            '{"type": "request", "stream": "talk", "id": 1, '
            '"payload": {"type": "say", "text": "hi"}}',
        ),
        (
            "talk.reply.Say",
            '{"type": "reply", "id": 1, "payload": {"type": "say", "text": "hi", "to": null}}',
        ),
        (
            "talk.sent.Say",
            '{"type": "message", "stream": "talk", "group": "room", "at": "1-0", '
            '"payload": {"type": "say", "text": "hi", "to": null}}',
        ),
        ("Ack", '{"type": "ack", "nonce": "n1"}'),
        (
            "ErrorFrame",
            '{"type": "error", "code": "invalid", "message": "no", "id": 1, '
            '"fields": [{"field": "text", "message": "no"}]}',
        ),
        ("Join", '{"type": "join", "id": "a", "group": "room", "since": "1-0"}'),
        ("Joined", '{"type": "joined", "id": "a", "group": "room", "at": "1-0", "gap": false}'),
        ("Leave", '{"type": "leave", "id": 0, "group": "room"}'),
        ("LeftGroup", '{"type": "left", "id": 0, "group": "room"}'),
        ("Ping", '{"type": "ping"}'),
        ("Pong", '{"type": "pong", "id": 5}'),
    ],
)
def test_the_frames_of_the_protocol_are_valid(name: str, frame: str, found: dict[str, Any]) -> None:
    assert is_valid(found, name, json.loads(frame))


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("talk.message.Say", {"payload": {"type": "say", "text": "hi"}}),
        ("talk.message.Say", {"stream": "talk", "payload": {"text": "hi"}}),
        ("talk.request.Say", {"stream": "talk", "payload": {"type": "say", "text": "hi"}}),
        ("Join", {"type": "join", "id": "", "group": "room"}),
        ("Join", {"type": "join", "id": -1, "group": "room"}),
        ("Join", {"type": "join", "id": 1, "group": ""}),
        ("Ack", {"type": "ack"}),
    ],
)
def test_other_frames_are_not(name: str, frame: Any, found: dict[str, Any]) -> None:
    assert not is_valid(found, name, frame)


def test_the_subprotocol_is_named(found: dict[str, Any]) -> None:
    headers = found["channels"]["root"]["bindings"]["ws"]["headers"]["properties"]
    assert "`channels-workers.v1`" in headers["Sec-WebSocket-Protocol"]["description"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Say, ((Say,), "type")),
        (Point, ((Point,), "")),
        (Say | Move, ((Say, Move), "type")),
        (Say | Point, ((Say, Point), "")),
        ((Say, Move), ((Say, Move), "type")),
        (Any, ((Any,), "")),
        (None, ((None,), "")),
        (int | None, ((int, type(None)), "")),
    ],
)
def test_the_members_of_a_type(kind: Any, expected: Any) -> None:
    assert members(kind) == expected


def test_a_consumer_of_envelopes_is_described() -> None:
    envelope = pytest.importorskip("channels_workers.envelope")

    class Board(envelope.EnvelopeConsumer):
        sends: ClassVar[Any] = {"talk": Say}

        @envelope.stream("talk")
        def talk(self, payload: Say | Move) -> Point:
            """Talk."""
            return Point(1, 2)

    routing: Any = [Board.as_route(path="^/board/$")]
    found = document(routing).as_json()
    VALIDATOR.validate(found)
    assert list(found["operations"]) == [
        *("board.receive.talk.message", "board.receive.talk.request", "board.send.talk.message"),
        *("board.receive.join", "board.receive.leave", "board.receive.ping", "board.send.error"),
    ]
    assert found["operations"]["board.receive.talk.request"]["description"] == "Talk."
