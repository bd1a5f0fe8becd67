"""Sockets as the channel layer knows them, whose consumers run in the test up to their commit."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Committed,
    Delivery,
    GroupSend,
    Join,
    Leave,
    Operation,
    Send,
)
from channels_workers.registry import get_channel_layer
from channels_workers.routing import Router
from channels_workers.schemas import schema_of
from channels_workers.test.database import connections_left_alone
from channels_workers.worker.dispatch import run
from chat import guests, protocol
from chat.routing import channel_routing

#: The types of frames to clients.
TOLD = [
    jsonschema.Draft7Validator(schema_of(kind, "send") | {"additionalProperties": False})
    for kind in (*protocol.TO_ONE, *protocol.TO_ROOM, *protocol.TO_LOBBY)
]

ORIGIN = [b"origin", b"http://localhost:8000"]


def is_told(frame: Any) -> bool:
    """Whether *frame* is of one of the types that the server sends, and has no other keys."""
    return any(each.is_valid(frame) for each in TOLD)


def cookie_of(person: str) -> list[bytes]:
    """The cookie header of a guest's browser."""
    response = HttpResponse()
    guests.set_cookie(response, person)
    return [b"cookie", f"chat_guest={response.cookies['chat_guest'].value}".encode()]


def login_of(user: User) -> list[bytes]:
    """The cookie header of a browser in which this user is logged in."""
    client = Client()
    client.force_login(user)
    return [b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()]


@dataclass
class Connection:
    """A socket as the layer knows it, with the session that each commit would save."""

    name: str = "server!socket"
    path: str = "/chat/lobby/"
    cookie: list[bytes] | None = None
    layer: WorkerLayer = field(default_factory=get_channel_layer)
    session: bytes | None = None
    order: int = 0

    def deliver(self, channel: str, **content: Any) -> Delivery:
        """The next message of this connection."""
        payload = self.layer.encode({"path": self.path, **content})
        delivery = Delivery(
            channel=channel,
            token="token",
            consumer="consumer",
            id=f"{self.name}:{self.order}",
            payload=payload,
            reply_channel=self.name,
            order=self.order,
            session=self.session,
        )
        self.order += 1
        return delivery

    def run(self, delivery: Delivery, *, is_committed: bool = True) -> list[Operation]:
        """Run a message. Without a commit the worker died or froze before it."""
        delivery = delivery._replace(session=self.session)
        changes: list[Operation] = []

        def change_groups(delivery: Delivery, found: Sequence[Join | Leave]) -> Committed:
            changes.extend(found)
            return Committed.DONE

        with connections_left_alone(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.layer, "change_groups", change_groups)  # no worker holds it
            outcome = run(delivery, self.layer, Router(channel_routing), lambda coroutine: None)
        if is_committed and outcome.session:
            self.session = outcome.session.payload
        return changes + outcome.operations

    def connecting(self, headers: Iterable[Any] | None = None, **content: Any) -> Delivery:
        own = [ORIGIN, *([self.cookie] if self.cookie else [])]
        return self.deliver(CONNECT, headers=own if headers is None else list(headers), **content)

    def connect(self, headers: Iterable[Any] | None = None, **content: Any) -> list[Operation]:
        return self.run(self.connecting(headers, **content))

    def frame(self, **fields: Any) -> Delivery:
        """A frame, to be run."""
        return self.deliver(RECEIVE, text=json.dumps(fields))

    def send(self, **fields: Any) -> list[dict[str, Any]]:
        """Send a frame and return all frames that it causes."""
        return list(self.frames(self.run(self.frame(**fields))))

    def say(self, **fields: Any) -> Delivery:
        """A chat message, to be run."""
        return self.frame(**{"handle": "ann", "message": "hi"} | fields)

    def disconnect(self) -> list[Operation]:
        return self.run(self.deliver(DISCONNECT))

    def decode(self, operation: Operation) -> dict[str, Any]:
        assert isinstance(operation, Send | GroupSend)
        content = self.layer.codec.decode(operation.payload)
        if "text" in content:
            assert is_told(json.loads(content["text"])), f"of no type: {content['text']}"
        return content

    def frames(self, operations: Iterable[Operation], to: str = "") -> Iterator[dict[str, Any]]:
        """The frames that were sent, optionally only those to one group or reply channel."""
        for operation in operations:
            if not isinstance(operation, Send | GroupSend):
                continue
            target = operation.group if isinstance(operation, GroupSend) else operation.channel
            if "text" in (content := self.decode(operation)) and to in ("", target):
                yield json.loads(content["text"])
