"""A routing with one of everything, and the schema of the specification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from channels_workers.asyncapi.document import Document
from channels_workers.asyncapi.sockets import sockets_of
from channels_workers.auth import channel_session_user_from_http
from channels_workers.declarations import Declaration, Exchange, declare, declares, sends
from channels_workers.message import Message
from channels_workers.routing import include, route, route_class
from channels_workers.schemas import receives
from channels_workers.security.websockets import allowed_hosts_only
from channels_workers.tokens import token_user
from tests.channels_workers.schemas.kinds import Everything, Model, Move, Node, Person, Point, Say
from tests.channels_workers.schemas.test_frames import Typed

SPECIFICATION = Path(__file__).with_name("specification") / "3.0.0.json"
VALIDATOR = jsonschema.Draft7Validator(json.loads(SPECIFICATION.read_text()))


@allowed_hosts_only
@channel_session_user_from_http
@sends(Person, group="board-{name}")
def connect(message: Message, **kwargs: str) -> None:
    """Join."""


@token_user
@receives(Say, Move)
@sends(Say, Everything)
def receive(message: Message, **kwargs: str) -> None:
    """Answer."""


@declares(
    receives=[Model],
    sends=[Model, Node],
    address="/plain/{label}/",
    parameters={"label": "The name."},
)
def plain(message: Message) -> None:
    """Read and write it by itself."""


@receives(Point, extra="ignore")
def lenient(message: Message) -> None:
    """Read a point."""


def undeclared(message: Message) -> None:
    """Say nothing of its messages."""


def wrapped(message: Message) -> None:
    """Answer requests."""


def _in_stream(payload: dict[str, Any]) -> dict[str, Any]:
    properties = {"stream": {"const": "points"}, "payload": payload}
    return {"type": "object", "properties": properties, "required": ["stream", "payload"]}


def _as_reply(payload: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"payload": payload}, "required": ["payload"]}


declare(
    wrapped,
    Declaration(
        (
            Exchange(
                "receive",
                (Point,),
                stream="points",
                frame="request",
                wrap=_in_stream,
                reply=(Say,),
                wrap_reply=_as_reply,
            ),
        ),
        subprotocols=("mine.v1",),
    ),
)

board = [
    route("websocket.connect", connect, path="^(?P<name>[a-z]{1,20})/(?P<kind>new|old)/$"),
    route("websocket.receive", receive, path="^(?P<name>[a-z]{1,20})/(?P<kind>new|old)/$"),
]

channel_routing = [
    include(board, path="^/board/"),
    route_class(Typed, path="^/typed/"),
    route(["websocket.connect", "websocket.receive"], wrapped, path=r"^/requests\.v1/$"),
    route("websocket.receive", lenient, path="^/(?:a|b)/$"),
    route("websocket.receive", undeclared, path="^/undeclared/$"),
    route("websocket.receive", plain),
    route("background", undeclared),
]


def document(routing: Any = None) -> Document:
    sockets = [
        each for each in sockets_of(routing or channel_routing) if each.declaration.exchanges
    ]
    return Document(sockets, {"title": "Boards", "version": "1.0.0"}, {})
