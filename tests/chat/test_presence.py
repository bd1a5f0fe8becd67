"""Who is in a room, even if messages run twice, late, or not at all."""

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from channels_workers.layers.types import CONNECT, DISCONNECT, Delivery
from chat import guests, presence
from chat.models import Departure, Presence, Room
from chat.presence import Visitor
from tests.chat.connection import Connection, cookie_of, login_of

pytestmark = pytest.mark.django_db

ANN = guests.who_is("guest:ann")


@pytest.fixture(autouse=True)
def lobby(settings: Settings) -> Room:
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.CHAT_RATE_LIMIT = None
    return Room.objects.at("lobby")


def socket(person: str = "guest:ann", name: str = "", path: str = "/chat/lobby/") -> Connection:
    return Connection(name or f"server!{uuid4()}", path, cookie_of(person))


def connected(person: str = "guest:ann", **options: Any) -> Connection:
    connection = socket(person, **options)
    connection.connect()
    return connection


def deltas(connection: Connection, operations: Any) -> list[dict[str, Any]]:
    return list(connection.frames(operations, "chat-lobby"))


def whole() -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(presence.whole("lobby"))
    return frame


def names() -> list[str]:
    return [entry["handle"] for entry in whole()["here"]]


# Announcements


def test_the_first_socket_of_a_person_joins_and_the_last_leaves() -> None:
    first, second = socket(), socket()
    assert deltas(first, first.connect()) == [
        {"type": "presence", "revision": 1, "joined": {"who": ANN, "handle": ""}}
    ]
    assert deltas(second, second.connect()) == []
    assert deltas(first, first.disconnect()) == []
    assert deltas(second, second.disconnect()) == [
        {"type": "presence", "revision": 2, "left": {"who": ANN}}
    ]


def test_only_the_client_that_asks_gets_the_whole_list() -> None:
    connected("guest:bob")
    connection = connected()
    (answer,) = connection.send(type="presence")
    assert answer == {
        "type": "presence",
        "revision": 2,
        "here": [{"who": guests.who_is("guest:bob"), "handle": ""}, {"who": ANN, "handle": ""}],
        "you": {"who": ANN, "handle": ""},
    }


def test_a_name_is_announced_when_it_is_set_or_changed() -> None:
    connection = connected()
    renamed, _, answer = connection.send(type="presence", handle=" ann ")
    assert renamed == {"type": "presence", "revision": 2, "renamed": {"who": ANN, "handle": "ann"}}
    assert (answer["revision"], answer["here"]) == (2, [{"who": ANN, "handle": "ann"}])
    assert len(connection.send(type="presence", handle="ann")) == 1
    assert len(connection.send(type="presence", handle="")) == 1
    assert {"renamed": {"who": ANN, "handle": "bea"}}.items() <= connection.send(
        handle="bea", message="hi"
    )[1].items()
    frames = connection.send(handle="bea", message="hi")
    assert [frame.get("type") for frame in frames] == [None]


def test_all_tabs_of_a_person_share_one_name() -> None:
    first = connected()
    first.send(type="presence", handle="ann")
    second = connected()
    assert names() == ["ann"]
    assert len(second.send(type="presence", handle="ann")) == 1
    second.send(type="presence", handle="bea")
    assert names() == ["bea"]
    second.disconnect()
    assert names() == ["bea"]


def test_people_may_have_the_same_name() -> None:
    for person in ("guest:ann", "guest:bob"):
        connected(person).send(type="presence", handle="same")
    assert names() == ["same", "same"]


def test_an_account_is_shown_by_its_name_from_the_start() -> None:
    user = User.objects.create_user("Zoe")
    connection = Connection("server!zoe", cookie=login_of(user))
    (joined,) = deltas(connection, connection.connect())
    who = guests.who_is(f"user:{user.pk}")
    assert joined["joined"] == {"who": who, "handle": "Zoe", "account": True}
    connection.send(type="presence", handle="other")
    assert names() == ["Zoe"]


def test_the_list_tells_a_client_its_own_identity() -> None:
    user = User.objects.create_user("Zoe")
    connection = Connection("server!zoe", cookie=login_of(user))
    connection.connect()
    you = {"who": guests.who_is(f"user:{user.pk}"), "handle": "Zoe", "account": True}
    assert connection.send(type="presence", handle="other")[-1]["you"] == you
    Session.objects.all().delete()
    answer, error = connection.send(type="presence", handle="Zoe")
    guest = guests.who_is(Presence.objects.get().guest)
    assert (answer["you"], error["code"]) == ({"who": guest, "handle": ""}, "forbidden")


def test_an_account_that_becomes_a_guest_leaves_and_the_guest_joins() -> None:
    connection = Connection("server!zoe", cookie=login_of(User.objects.create_user("Zoe")))
    connection.connect()
    row = Presence.objects.get()
    assert row.login
    presence.show("lobby", row, Visitor(row.guest, ""))
    (entry,) = whole()["here"]
    assert entry == {"who": guests.who_is(row.guest), "handle": ""}
    assert whole()["revision"] == 3


def test_an_unavailable_name_is_an_error_and_the_list_still_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(handle: str, speaker: guests.Speaker) -> None:
        raise presence.FrameError("forbidden", f"{handle} is an account's.")

    connection = connected()
    monkeypatch.setattr(guests, "check_handle", refuse)
    answer, error = connection.send(type="presence", handle="Zoe")
    assert (answer["here"], error["code"]) == ([{"who": ANN, "handle": ""}], "forbidden")
    for fields in ({"type": "typing"}, {"message": "hi"}):
        (error,) = connection.send(handle="Zoe", **fields)
        assert error["code"] == "forbidden"


# What runs twice, late, or not at all


def test_a_repeated_connect_is_announced_again_under_the_next_number() -> None:
    connection = socket()
    delivery = connection.connecting()
    connection.run(delivery, is_committed=False)
    (told,) = deltas(connection, connection.run(delivery))
    assert (told["revision"], "joined" in told) == (2, True)
    assert len(whole()["here"]) == 1


def test_a_repeated_disconnect_is_announced_again() -> None:
    connection = connected()
    delivery = connection.deliver(DISCONNECT)
    connection.run(delivery, is_committed=False)
    (told,) = deltas(connection, connection.run(delivery))
    assert told == {"type": "presence", "revision": 3, "left": {"who": ANN}}


def test_a_repeated_disconnect_is_silent_once_the_person_is_back() -> None:
    connection = connected()
    delivery = connection.deliver(DISCONNECT)
    connection.run(delivery, is_committed=False)
    connected()
    assert deltas(connection, connection.run(delivery)) == []
    assert len(whole()["here"]) == 1


def test_a_repeated_name_change_after_a_crash_is_announced_again() -> None:
    connection = connected()
    delivery = connection.frame(type="presence", handle="ann")
    connection.run(delivery, is_committed=False)
    (told,) = deltas(connection, connection.run(delivery))
    assert (told["revision"], told["joined"]["handle"]) == (3, "ann")


def test_a_repeated_message_under_a_new_name_is_announced_as_before() -> None:
    connection = connected()
    delivery = connection.say()
    lost = connection.run(delivery, is_committed=False)
    assert connection.run(delivery) == lost
    told = deltas(connection, lost)[1]
    assert (told["revision"], told["renamed"]["handle"]) == (2, "ann")


def test_a_frozen_worker_does_not_readmit_people_who_have_left() -> None:
    connection = socket()
    connecting, asking = connection.connecting(), connection.frame(type="presence", handle="ann")
    connection.run(connecting)
    connection.run(asking)
    connection.disconnect()
    for delivery in (connecting, asking):
        connection.run(delivery, is_committed=False)
    assert whole()["here"] == []


def test_a_frozen_worker_does_not_overwrite_a_newer_name() -> None:
    connection = connected()
    delivery = connection.frame(type="presence", handle="old")
    connection.run(delivery)
    connection.send(type="presence", handle="new")
    connection.run(delivery, is_committed=False)
    assert names() == ["new"]


def test_a_disconnect_without_a_session_finds_its_row() -> None:
    connection = socket()
    connection.run(connection.connecting(), is_committed=False)  # dead-lettered after some deaths
    (told,) = deltas(connection, connection.disconnect())
    assert "left" in told


def test_a_person_removed_by_mistake_returns_by_asking() -> None:
    connection = connected()
    Presence.objects.all().delete()
    connection.send(type="presence", handle="ann")
    assert names() == ["ann"]


def test_departures_expire() -> None:
    connected().disconnect()
    Departure.objects.update(timestamp=timezone.now() - dt.timedelta(hours=2))
    connected().disconnect()
    assert Departure.objects.count() == 1


# Many


def test_fifty_tabs_of_one_person_are_one_entry() -> None:
    tabs = [connected() for _ in range(50)]
    tabs[0].send(type="presence", handle="ann")
    assert (names(), whole()["revision"]) == (["ann"], 2)
    for tab in tabs[:-1]:
        assert deltas(tab, tab.disconnect()) == []
    assert names() == ["ann"]
    assert len(deltas(tabs[-1], tabs[-1].disconnect())) == 1
    assert names() == []


def test_a_tab_takes_back_a_name_changed_by_another_tab() -> None:
    first, second = connected(), connected()
    first.send(type="presence", handle="ann")
    second.send(type="presence", handle="anna")
    first.send(type="presence", handle="ann")
    assert names() == ["ann"]


def test_three_hundred_people_are_all_in_the_list() -> None:
    people = [connected(f"guest:{number}") for number in range(300)]
    (answer,) = people[-1].send(type="presence")
    assert (len(answer["here"]), answer["revision"]) == (300, 300)
    assert len({entry["who"] for entry in answer["here"]}) == 300


# Any interleaving


@dataclass
class Page:
    """A client that follows the rules of ``docs/chat/socket.md``."""

    label: str
    revision: int = 0
    here: dict[str, str] = field(default_factory=dict)

    def ask(self) -> None:
        frame = json.loads(presence.whole(self.label))
        self.revision = frame["revision"]
        self.here = {entry["who"]: entry["handle"] for entry in frame["here"]}

    def hear(self, delta: dict[str, Any]) -> None:
        if delta["revision"] > self.revision + 1:
            self.ask()
        elif delta["revision"] == self.revision + 1:
            self.revision += 1
            self._apply(delta)

    def _apply(self, delta: dict[str, Any]) -> None:
        if "left" in delta:
            self.here.pop(delta["left"]["who"], None)
        else:
            entry = delta.get("joined") or delta["renamed"]
            self.here[entry["who"]] = entry["handle"]


class Crowd:
    """Six sockets of three people, and the invariants about them."""

    def __init__(self) -> None:
        self.label = f"room-{uuid4()}"
        self.room = Room.objects.at(self.label)
        self.page = Page(self.label)
        people = ("guest:a", "guest:b", "guest:c")
        self.persons = [people[number % 3] for number in range(6)]
        path = f"/chat/{self.label}/"
        self.sockets = [socket(person, path=path) for person in self.persons]
        self.ran: list[tuple[Connection, Delivery]] = []
        self.late: list[dict[str, Any]] = []
        self.open: set[int] = set()
        self.names: dict[str, str] = {}

    def next_of(self, number: int, name: str) -> Delivery:
        """A socket's next message: its connect, a name, or its disconnect if the name is empty."""
        connection, person = self.sockets[number], self.persons[number]
        if number not in self.open:
            connection = self.sockets[number] = socket(person, path=connection.path)
            self.open.add(number)
            self.names.setdefault(person, "")
            return connection.connecting()
        if name:
            self.names[person] = name
            return connection.frame(type="presence", handle=name)
        self.open.discard(number)
        if not any(self.persons[other] == person for other in self.open):
            del self.names[person]
        return connection.deliver(DISCONNECT)

    def act(self, number: int, name: str, is_lost: bool, is_late: bool) -> None:
        delivery = self.next_of(number, name)
        connection = self.sockets[number]
        if is_lost:
            connection.run(delivery, is_committed=False)
        frames = list(connection.frames(connection.run(delivery), f"chat-{self.label}"))
        self.ran.append((connection, delivery))
        held, self.late = self.late, []
        if is_late:
            self.late = frames
        for frame in (frames if not is_late else []) + held:
            self.page.hear(frame)

    def thaw(self, index: int) -> None:
        """A frozen worker runs an old message and commits nothing."""
        if self.ran:
            connection, delivery = self.ran[index % len(self.ran)]
            connection.run(delivery, is_committed=False)

    def check(self) -> None:
        for frame in self.late:
            self.page.hear(frame)
        expected = {guests.who_is(person): name for person, name in self.names.items()}
        told = Page(self.label)
        told.ask()
        assert told.here == expected
        assert self.page.here == expected


acts = st.tuples(
    st.integers(0, 5), st.sampled_from(["", "", "x", "y"]), st.booleans(), st.booleans()
)


@given(st.lists(acts | st.integers(0, 100), max_size=25))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_list_and_deltas_agree_after_any_interleaving(
    script: list[tuple[int, str, bool, bool] | int],
) -> None:
    crowd = Crowd()
    for step in script:
        if isinstance(step, int):
            crowd.thaw(step)
        else:
            crowd.act(*step)
    crowd.check()


def test_the_crowd_connects_before_anything_else() -> None:
    crowd = Crowd()
    assert crowd.next_of(0, "x").channel == CONNECT
