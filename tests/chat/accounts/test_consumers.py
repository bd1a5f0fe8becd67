"""The sockets of a log-in that ends, as a worker handles them."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from channels_workers.layers.types import Delivery, Operation, Send
from chat import guests, presence
from chat.accounts.signals import LOGGED_OUT
from chat.models import Message, Presence, Room
from tests.chat.connection import Connection

pytestmark = pytest.mark.django_db

ANN = guests.who_is("guest:ann")


@pytest.fixture(autouse=True)
def rooms(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    settings.CHAT_RATE_LIMIT = None
    for label in ("lobby", "garden"):
        Room.objects.at(label)


@pytest.fixture
def zoe() -> User:
    return User.objects.create_user("Zoe")


def browser_of(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user)
    guests_cookie(browser, "guest:ann")
    return browser


def guests_cookie(browser: Browser, person: str) -> None:
    from django.http import HttpResponse

    response = HttpResponse()
    guests.set_cookie(response, person)
    browser.cookies["chat_guest"] = response.cookies["chat_guest"].value


def socket(browser: Browser, name: str, label: str = "lobby") -> Connection:
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    connection = Connection(name, f"/chat/{label}/", [b"cookie", cookies.encode()])
    connection.connect()
    return connection


def told(content: dict[str, str], connection: Connection) -> Delivery:
    payload = connection.layer.encode(content)
    return Delivery(LOGGED_OUT, "token", "consumer", "id", payload)


def run(content: dict[str, str]) -> list[Operation]:
    connection = Connection("server!nobody")
    return connection.run(told(content, connection))


def frames(operations: list[Operation], to: str = "") -> list[dict[str, Any]]:
    return list(Connection().frames(operations, to))


def login(browser: Browser) -> str:
    return guests.login_of(browser.session.session_key)


ACCOUNT = {"type": "account", "who": ANN, "handle": "", "account": False}


def test_ending_a_log_in_turns_its_sockets_into_guests_and_tells_everybody(zoe: User) -> None:
    browser = browser_of(zoe)
    tabs = [socket(browser, "s!1"), socket(browser, "s!2"), socket(browser, "s!3", "garden")]
    operations = run({"login": login(browser)})
    assert [frames(operations, tab.name) for tab in tabs] == [[ACCOUNT]] * 3
    who = guests.who_is(f"user:{zoe.pk}")
    deltas = frames(operations, "chat-lobby")
    assert {"who": ANN, "handle": ""} in [delta.get("joined") for delta in deltas]
    assert {"who": who} in [delta.get("left") for delta in deltas]
    for label in ("lobby", "garden"):
        assert json.loads(presence.whole(label))["here"] == [{"who": ANN, "handle": ""}]
    assert set(Presence.objects.values_list("person", "account")) == {("guest:ann", False)}


def test_other_log_ins_of_the_account_and_guests_are_unaffected(zoe: User) -> None:
    here, elsewhere, guest = browser_of(zoe), browser_of(zoe), Browser()
    for number, browser in enumerate((here, elsewhere, guest)):
        socket(browser, f"s!{number}")
    operations = run({"login": login(here)})
    assert frames(operations, "s!0") == [ACCOUNT]
    assert frames(operations, "s!1") == frames(operations, "s!2") == []
    assert Presence.objects.get(reply_channel="s!1").person == f"user:{zoe.pk}"


def test_all_log_ins_of_a_person_end_individually(zoe: User) -> None:
    browsers = [browser_of(zoe), browser_of(zoe)]
    for number, browser in enumerate([*browsers, *browsers, Browser()]):
        socket(browser, f"s!{number}")
    operations = run({"person": f"user:{zoe.pk}"})
    assert all(isinstance(one, Send) and one.channel == LOGGED_OUT for one in operations)
    decoded = [Connection().decode(one)["login"] for one in operations]
    assert sorted(decoded) == sorted(map(login, browsers))


@pytest.mark.parametrize("content", [{}, {"login": ""}, {"person": ""}, {"person": "guest:ann"}])
def test_an_empty_log_in_ends_no_sockets_of_guests(content: dict[str, str]) -> None:
    browser = Browser()
    guests_cookie(browser, "guest:ann")
    socket(browser, "s!1")
    assert run(content) == []


def test_a_repeated_run_after_a_crash_notifies_the_pages_again(zoe: User) -> None:
    browser = browser_of(zoe)
    socket(browser, "s!1")
    lost, again = (run({"login": login(browser)}) for _ in range(2))
    assert frames(lost, "s!1") == frames(again, "s!1") == [ACCOUNT]


def test_a_room_deleted_meanwhile_affects_no_other(
    zoe: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chat.accounts import consumers
    from chat.frames import FrameError

    browser = browser_of(zoe)
    socket(browser, "s!1")
    socket(browser, "s!2", "garden")
    show = consumers.presence.show

    def fail_in_the_lobby(label: str, *args: Any) -> str:
        if label == "lobby":
            raise FrameError("forbidden", "This room is no more.")
        return show(label, *args)

    monkeypatch.setattr(consumers.presence, "show", fail_in_the_lobby)
    operations = run({"login": login(browser)})
    assert (frames(operations, "s!1"), frames(operations, "s!2")) == ([], [ACCOUNT])


def test_a_guest_shown_by_other_sockets_keeps_its_name(zoe: User) -> None:
    browser = browser_of(zoe)
    socket(browser, "s!1")
    anonymous = Browser()
    guests_cookie(anonymous, "guest:ann")
    socket(anonymous, "s!2").send(type="presence", handle="Annie")
    operations = run({"login": login(browser)})
    assert frames(operations, "s!1") == [ACCOUNT | {"handle": "Annie"}]


def test_later_messages_are_from_a_guest_without_that_name(zoe: User) -> None:
    browser = browser_of(zoe)
    tab = socket(browser, "s!1")
    assert tab.send(handle="any", message="hi")[0]["handle"] == "Zoe"
    browser.post("/accounts/logout/")
    assert tab.send(handle="zoe", message="hi")[0]["code"] == "forbidden"
    said = tab.send(handle="ann", message="hi")[0]
    assert (said["handle"], said["who"], "account" in said) == ("ann", ANN, False)


def test_an_account_edits_its_own_messages_but_not_its_guests(zoe: User) -> None:
    browser = browser_of(zoe)
    tab = socket(browser, "s!1")
    tab.send(handle="any", message="as Zoe")
    mine = Message.objects.get()
    browser.post("/accounts/logout/")
    assert tab.send(type="edit", id=mine.pk, message="x")[0]["code"] == "forbidden"


def test_logged_out_staff_cannot_delete_messages(zoe: User) -> None:
    User.objects.update(is_staff=True)
    browser = browser_of(zoe)
    tab = socket(browser, "s!1")
    socket(Browser(), "s!2").send(handle="bob", message="hi")
    message = Message.objects.get()
    browser.post("/accounts/logout/")
    assert tab.send(type="delete", id=message.pk)[0]["code"] == "forbidden"
    assert not Message.objects.get().deleted
