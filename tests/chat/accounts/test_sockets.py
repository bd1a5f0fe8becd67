"""Who speaks over a socket: an account while its log-in lasts, else the guest of the cookie."""

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client as Browser
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

from channels_workers.auth import channel_session_user, channel_session_user_from_http
from channels_workers.message import Message
from channels_workers.routing import route
from channels_workers.test import Client, apply_routes
from channels_workers.test.layers import fresh_layers
from chat import guests
from chat.accounts import signals
from chat.accounts.models import Name
from chat.frames import FrameError
from chat.guests import Speaker
from chat.routing import channel_routing

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
GUEST = "guest:the-one-of-the-cookie"
AS_GUEST = {"person": GUEST, "handle": None, "is_staff": False}


@channel_session_user_from_http
def connect(message: Message) -> None:
    guests.remember(message)
    message.reply_channel.send(vars(guests.speaker(message)))


@channel_session_user
def receive(message: Message) -> None:
    speaker = guests.speaker(message)
    message.reply_channel.send({**vars(speaker), "login": message.channel_session["login"]})


class Socket:
    """A socket that a browser has opened; `opened_as` is who it spoke for then."""

    def __init__(self, browser: Browser) -> None:
        response = HttpResponse()
        guests.set_cookie(response, GUEST)
        cookies = {"chat_guest": response.cookies["chat_guest"].value}
        if session := browser.cookies.get(django_settings.SESSION_COOKIE_NAME):
            cookies[django_settings.SESSION_COOKIE_NAME] = session.value
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self.client = Client()
        headers = [[b"cookie", header.encode()]]
        self.client.send_and_consume("websocket.connect", {"path": "/", "headers": headers})
        self.opened_as = self.client.receive()

    def speaks_as(self) -> dict[str, Any]:
        self.client.send_and_consume("websocket.receive", {"path": "/", "text": "hi"})
        speaker: dict[str, Any] = self.client.receive()
        self.login = speaker.pop("login")
        return speaker


@pytest.fixture(autouse=True)
def routes() -> Iterator[None]:
    routing = [route("websocket.connect", connect), route("websocket.receive", receive)]
    with fresh_layers(["default"]), apply_routes(routing):
        yield


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def browser(client: Browser, ann: User) -> Browser:
    """One that is logged in."""
    client.force_login(ann)
    return client


def as_account(user: User) -> dict[str, Any]:
    return {"person": f"user:{user.pk}", "handle": user.username, "is_staff": user.is_staff}


def told() -> list[dict[str, Any]]:
    """What was sent to the consumer that makes sockets anonymous."""
    client = Client()
    found = iter(lambda: client.get_next_message(signals.LOGGED_OUT), None)
    return [message.content for message in found if message]


# While the log-in lasts


def test_a_guest_speaks_as_the_guest_of_the_cookie(client: Browser) -> None:
    socket = Socket(client)
    assert socket.opened_as == socket.speaks_as() == AS_GUEST
    assert socket.login == ""


def test_who_is_logged_in_speaks_as_the_account(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    assert socket.opened_as == socket.speaks_as() == as_account(ann)
    assert socket.login == guests.login_of(browser.session.session_key)


def test_staff_are_known(browser: Browser, ann: User) -> None:
    User.objects.update(is_staff=True)
    assert Socket(browser).speaks_as()["is_staff"] is True


def test_a_log_in_to_the_admin_is_one(client: Browser) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    form = {"username": "root", "password": PASSWORD}
    assert client.post("/admin/login/?next=/admin/", form).status_code == 302
    assert Socket(client).speaks_as() == as_account(root)


def test_an_account_with_another_name_speaks_under_it(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    ann.username = "anna"
    ann.save()
    assert socket.speaks_as()["handle"] == "anna"


def test_the_key_of_the_browsers_session_is_not_told(browser: Browser) -> None:
    socket = Socket(browser)
    socket.speaks_as()
    assert browser.session.session_key not in socket.login


def test_a_session_of_another_user_is_not_one_of_this(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    key = browser.session.session_key
    store = import_module(django_settings.SESSION_ENGINE).SessionStore(key)
    store["_auth_user_id"] = str(ann.pk + 1)
    store.save()
    assert socket.speaks_as() == AS_GUEST


# When it has ended


def log_out(browser: Browser, ann: User) -> None:
    assert browser.post("/accounts/logout/").status_code == 302


def log_out_of_the_admin(browser: Browser, ann: User) -> None:
    User.objects.update(is_staff=True)
    assert browser.post("/admin/logout/").status_code == 302


def flush_the_session(browser: Browser, ann: User) -> None:
    browser.session.flush()


def let_it_expire(browser: Browser, ann: User) -> None:
    session = browser.session
    session.set_expiry(-1)
    session.save()


def change_the_password_here(browser: Browser, ann: User) -> None:
    new = "another horse battery"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert browser.post("/accounts/password/", form).status_code == 302


def change_the_password_elsewhere(browser: Browser, ann: User) -> None:
    ann.set_password("another horse battery")
    ann.save()


def deactivate(browser: Browser, ann: User) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=False)


def delete(browser: Browser, ann: User) -> None:
    User.objects.filter(pk=ann.pk).delete()


def log_in_as_somebody_else(browser: Browser, ann: User) -> None:
    browser.force_login(User.objects.create_user("bob"))


ENDS: list[Callable[[Browser, User], None]] = [
    *(log_out, log_out_of_the_admin, flush_the_session, let_it_expire, delete, deactivate),
    *(change_the_password_here, change_the_password_elsewhere, log_in_as_somebody_else),
]


@pytest.mark.parametrize("end", ENDS)
def test_from_the_next_message_on_it_is_a_guest(
    browser: Browser, ann: User, end: Callable[[Browser, User], None]
) -> None:
    socket = Socket(browser)
    assert socket.speaks_as() == as_account(ann)
    end(browser, ann)
    assert socket.speaks_as() == AS_GUEST
    assert socket.login == ""


def test_an_account_that_is_active_again_is_not_trusted_again(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    User.objects.update(is_active=False)
    assert socket.speaks_as() == AS_GUEST
    User.objects.update(is_active=True)
    assert socket.speaks_as() == AS_GUEST


def test_a_socket_that_is_opened_after_the_end_is_a_guests(browser: Browser, ann: User) -> None:
    log_out(browser, ann)
    assert Socket(browser).opened_as == AS_GUEST


def test_a_guests_message_costs_no_query_for_its_speaker(
    client: Browser, django_assert_num_queries: Any
) -> None:
    socket = Socket(client)
    with django_assert_num_queries(0):
        socket.speaks_as()


def test_an_accounts_message_costs_two(browser: Browser, django_assert_num_queries: Any) -> None:
    socket = Socket(browser)
    with django_assert_num_queries(2):
        socket.speaks_as()


# What is told at once


@pytest.mark.parametrize("path", ["/accounts/logout/", "/admin/logout/"])
def test_a_log_out_is_told_by_its_login(browser: Browser, path: str) -> None:
    User.objects.update(is_staff=True)  # others are not let into the admin
    login = guests.login_of(browser.session.session_key)
    browser.post(path)
    assert told() == [{"login": login}]


def test_when_it_is_told_the_session_has_ended(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = browser.session
    seen = []
    monkeypatch.setattr(signals, "tell", lambda **_: seen.append(store.exists(store.session_key)))
    browser.post("/accounts/logout/")
    assert seen == [False]


def test_a_guest_who_logs_out_is_nothing_to_tell(client: Browser) -> None:
    client.post("/accounts/logout/")
    assert told() == []


@pytest.mark.parametrize("end", [change_the_password_here, change_the_password_elsewhere])
def test_another_password_is_told_by_the_person(
    browser: Browser,
    ann: User,
    end: Callable[[Browser, User], None],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        end(browser, ann)
    assert told() == [{"person": f"user:{ann.pk}"}]


def test_the_end_of_an_account_is_told(
    ann: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    person = f"user:{ann.pk}"
    with django_capture_on_commit_callbacks(execute=True):
        ann.is_active = False
        ann.save()
    assert told() == [{"person": person}]
    with django_capture_on_commit_callbacks(execute=True):
        ann.save()
        User.objects.create_user("bob", is_active=False)
    assert told() == []
    with django_capture_on_commit_callbacks(execute=True):
        ann.delete()
    assert told() == [{"person": person}]


def test_a_log_in_ends_nothing(
    client: Browser,
    ann: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/login/", {"username": "ann", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(ann.pk)
    assert told() == []


def test_a_log_out_succeeds_though_nobody_can_be_told(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr("channels_workers.Channel.send", fail)
    assert browser.post("/accounts/logout/").status_code == 302
    assert browser.get("/accounts/password/").status_code == 302
    assert "Could not tell the sockets" in caplog.text


def test_the_chat_listens_to_what_is_told() -> None:
    assert any(signals.LOGGED_OUT in entry.channels for entry in channel_routing)


# Names of guests

ALIKE = ["Ann", "ANN", "\uff21nn", "a\u200bnn", "\u202enna", " ann\u3164", "\u2066ann\u2069"]


@pytest.mark.parametrize("handle", ALIKE)
def test_a_guest_cannot_take_the_name_of_an_account(ann: User, handle: str) -> None:
    with pytest.raises(FrameError) as caught:
        guests.check_handle(handle, Speaker(GUEST))
    frame = json.loads(caught.value.frame())
    assert frame["code"] == "forbidden"
    assert frame["detail"].startswith("This name belongs to an account.")


@pytest.mark.parametrize("handle", ["anne", "an n", "<b>ann</b>", "nna", "x" * 200, "\ufdfa" * 40])
def test_a_guest_may_take_any_other(ann: User, handle: str) -> None:
    guests.check_handle(handle, Speaker(GUEST))


def test_an_account_may_say_any_handle_and_is_shown_under_its_own(ann: User) -> None:
    User.objects.create_user("bob")
    guests.check_handle("bob", Speaker("user:1", "ann", is_staff=False))


def test_a_name_is_free_again_when_its_account_is_gone(ann: User) -> None:
    ann.delete()
    assert not Name.objects.exists()
    guests.check_handle("ann", Speaker(GUEST))


# What others see


def test_who_somebody_is_is_stable_short_and_leads_nowhere(settings: Settings) -> None:
    known = guests.who_is("user:1")
    assert known == guests.who_is("user:1") != guests.who_is("user:2")
    assert len(known) == 12
    assert int(known, 16) >= 0
    settings.SECRET_KEY = "another"
    assert guests.who_is("user:1") != known
