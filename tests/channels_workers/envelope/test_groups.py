"""Names of groups that clients know, and the groups behind them."""

from collections.abc import Callable
from typing import Any

import pytest

from channels_workers.channel import Group
from channels_workers.envelope import EnvelopeConsumer, envelope, group_send
from channels_workers.message import Message
from tests.channels_workers.envelope.conftest import Site, Socket

pytestmark = pytest.mark.django_db

#: The groups behind the names; a test changes them.
REAL: dict[str, str] = {}


class Board(EnvelopeConsumer):
    def may_join(self, group: str) -> str | None:
        return REAL.get(group)


def real(message: Message, group: str) -> str | None:
    return REAL.get(group)


@envelope(may_join=real)
def function(message: Message) -> None:
    """Answer joins only."""


@envelope(may_join=real)
async def coroutine(message: Message) -> None:
    """Answer joins only."""


@pytest.fixture(params=[Board, function, coroutine])
def socket(request: pytest.FixtureRequest, site: Site) -> Socket:
    REAL.clear()
    made = site.connect(Board)
    consumer: Callable[..., Any] = request.param
    made.consumer = consumer
    made.take()
    return made


def join(socket: Socket, name: str, group: str) -> None:
    REAL[name] = group
    [joined] = socket.ask({"type": "join", "id": 1, "group": name})
    assert joined.get("name", name) == group


def leave(socket: Socket, name: str) -> None:
    [left] = socket.ask({"type": "leave", "id": 1, "group": name})
    assert left == {"type": "left", "id": 1, "group": name}


def heard(socket: Socket, *groups: str) -> list[str]:
    """The groups whose messages reach the socket."""
    for name in groups:
        group_send(Group(name, channel_layer=socket.site.layer), None)
    *found, pong = socket.ask({"type": "ping"})
    assert pong == {"type": "pong"}
    return [each["group"] for each in found]


def test_a_name_may_stand_for_another_group_later(socket: Socket) -> None:
    join(socket, "room", "room-1")
    join(socket, "room", "room-2")
    assert heard(socket, "room-1", "room-2") == ["room-2"]
    leave(socket, "room")
    assert heard(socket, "room-1", "room-2") == []


def test_two_names_may_stand_for_one_group(socket: Socket) -> None:
    join(socket, "one", "room-1")
    join(socket, "two", "room-1")
    assert heard(socket, "room-1") == ["room-1"]
    leave(socket, "one")
    assert heard(socket, "room-1") == ["room-1"]
    join(socket, "one", "room-1")
    join(socket, "one", "room-2")
    assert heard(socket, "room-1", "room-2") == ["room-1", "room-2"]
    leave(socket, "two")
    assert heard(socket, "room-1", "room-2") == ["room-2"]


def test_a_client_that_may_not_stay_keeps_its_membership(socket: Socket) -> None:
    """A refused join changes nothing. Remove the member in your code."""
    join(socket, "room", "room-1")
    REAL.clear()
    [answer] = socket.ask({"type": "join", "id": 1, "group": "room"})
    assert answer["code"] == "denied"
    assert heard(socket, "room-1") == ["room-1"]
