import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from chat import lobby
from chat.models import Presence, Room
from tests.chat.connection import Connection, cookie_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def hosts(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]


def enter(label: str, name: str, person: str = "") -> Connection:
    Room.objects.at(label)
    person = person or f"guest:{name}"
    number = Presence.objects.count()
    socket = Connection(f"server!{label}-{number}", f"/chat/{label}/", cookie_of(person))
    socket.connect()
    if name:
        socket.send(type="presence", handle=name)
    return socket


def told(socket: Connection, operations: Any) -> list[dict[str, Any]]:
    """The rooms in the lobby's frames."""
    frames = socket.frames(operations, lobby.GROUP)
    return [room for frame in frames for room in frame["rooms"]]


def shown() -> list[tuple[str, int, list[str]]]:
    return [(room.label, room.people, room.handles) for room in lobby.rooms()]


def test_an_empty_chat_shows_no_rooms() -> None:
    Room.objects.at("nobody-spoke-here")
    assert shown() == []


def test_rooms_with_people_come_first_then_the_latest() -> None:
    for number, label in enumerate(("old", "new", "busy")):
        room = Room.objects.at(label)
        room.active = timezone.now() - dt.timedelta(hours=9 - number) if label != "busy" else None
        room.save()
    enter("busy", "ann")
    assert shown() == [("busy", 1, ["ann"]), ("new", 0, []), ("old", 0, [])]


def test_a_person_is_counted_once_and_five_names_are_shown() -> None:
    for number in range(7):
        enter("lobby", f"n{number}")
    enter("lobby", "n0")
    enter("lobby", "", "guest:nameless")
    assert shown() == [("lobby", 8, [f"n{number}" for number in range(5)])]


def test_the_twenty_busiest_and_latest_rooms_are_chosen() -> None:
    for number in range(25):
        enter(f"quiet-{number}", "ann")
    for name in ("ann", "bob"):
        enter("busy", name)
    latest = Room.objects.at("latest")
    latest.active = timezone.now()
    latest.save()
    labels = [label for label, _, _ in shown()]
    assert len(labels) == 20
    assert "busy" in labels


def test_the_lobby_is_notified_of_arrivals_and_departures() -> None:
    room = Room.objects.at("lobby")
    socket = Connection("server!1", "/chat/lobby/", cookie_of("guest:ann"))
    (came,) = told(socket, socket.connect())
    entry = {"label": "lobby", "name": room.name, "active": None, "people": 1, "handles": []}
    assert came == {**entry, "revision": 1}
    (named,) = told(socket, socket.run(socket.frame(type="presence", handle="ann")))
    assert named == {**entry, "handles": ["ann"], "revision": 2}
    (left,) = told(socket, socket.disconnect())
    assert left == {**entry, "people": 0, "revision": 3}


def test_a_second_tab_does_not_notify_the_lobby() -> None:
    enter("lobby", "ann")
    socket = Connection("server!tab", "/chat/lobby/", cookie_of("guest:ann"))
    assert told(socket, socket.connect()) == []
    assert told(socket, socket.disconnect()) == []


def test_the_lobby_is_notified_of_messages_at_intervals() -> None:
    socket = enter("lobby", "ann")
    (first,) = told(socket, socket.run(socket.say()))
    assert first["active"].endswith("Z")
    assert told(socket, socket.run(socket.say())) == []
    Room.objects.update(told=timezone.now() - dt.timedelta(seconds=6))
    (later,) = told(socket, socket.run(socket.say()))
    assert later["active"] > first["active"]
    Room.objects.update(told=timezone.now() + dt.timedelta(hours=1))  # a clock that went back
    assert len(told(socket, socket.run(socket.say()))) == 1


def test_only_one_of_two_workers_notifies_the_lobby(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Room] = []
    monkeypatch.setattr(lobby, "tell", sent.append)
    Room.objects.at("lobby")
    seen_by_both = [Room.objects.get(), Room.objects.get()]
    for room in seen_by_both:
        lobby.tell_active(room)
    assert len(sent) == 1
