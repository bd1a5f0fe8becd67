"""The speaker of a socket: the account while its log-in lasts, else the guest of the cookie."""

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
from channels_workers.routing import Router, route
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
    """A socket opened by a browser. `opened_as` was its speaker at that time."""

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
    """A logged-in browser."""
    client.force_login(ann)
    return client


def as_account(user: User) -> dict[str, Any]:
    return {"person": f"user:{user.pk}", "handle": user.username, "is_staff": user.is_staff}


def told() -> list[dict[str, Any]]:
    """Messages to the consumer that makes sockets anonymous."""
    client = Client()
    found = iter(lambda: client.get_next_message(signals.LOGGED_OUT), None)
    return [message.content for message in found if message]


# While the log-in lasts


def test_a_guest_is_identified_by_the_cookie(client: Browser) -> None:
    socket = Socket(client)
    assert socket.opened_as == socket.speaks_as() == AS_GUEST
    assert socket.login == ""


def test_a_logged_in_user_speaks_as_the_account(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    assert socket.opened_as == socket.speaks_as() == as_account(ann)
    assert socket.login == guests.login_of(browser.session.session_key)


def test_staff_are_recognised(browser: Browser, ann: User) -> None:
    User.objects.update(is_staff=True)
    assert Socket(browser).speaks_as()["is_staff"] is True


def test_a_log_in_to_the_admin_counts(client: Browser) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    form = {"username": "root", "password": PASSWORD}
    assert client.post("/admin/login/?next=/admin/", form).status_code == 302
    assert Socket(client).speaks_as() == as_account(root)


def test_a_renamed_account_speaks_under_its_new_name(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    ann.username = "anna"
    ann.save()
    assert socket.speaks_as()["handle"] == "anna"


def test_the_session_key_is_not_sent(browser: Browser) -> None:
    socket = Socket(browser)
    socket.speaks_as()
    assert browser.session.session_key not in socket.login


def test_a_session_of_another_user_does_not_count(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    key = browser.session.session_key
    store = import_module(django_settings.SESSION_ENGINE).SessionStore(key)
    store["_auth_user_id"] = str(ann.pk + 1)
    store.save()
    assert socket.speaks_as() == AS_GUEST


# After it has ended


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
def test_the_next_message_is_a_guests(
    browser: Browser, ann: User, end: Callable[[Browser, User], None]
) -> None:
    socket = Socket(browser)
    assert socket.speaks_as() == as_account(ann)
    end(browser, ann)
    assert socket.speaks_as() == AS_GUEST
    assert socket.login == ""


def test_a_reactivated_account_is_not_trusted_again(browser: Browser, ann: User) -> None:
    socket = Socket(browser)
    User.objects.update(is_active=False)
    assert socket.speaks_as() == AS_GUEST
    User.objects.update(is_active=True)
    assert socket.speaks_as() == AS_GUEST


def test_a_socket_opened_afterwards_is_a_guests(browser: Browser, ann: User) -> None:
    log_out(browser, ann)
    assert Socket(browser).opened_as == AS_GUEST


def test_the_speaker_of_a_guests_message_needs_no_query(
    client: Browser, django_assert_num_queries: Any
) -> None:
    socket = Socket(client)
    with django_assert_num_queries(0):
        socket.speaks_as()


def test_the_speaker_of_an_accounts_message_needs_two_queries(
    browser: Browser, django_assert_num_queries: Any
) -> None:
    socket = Socket(browser)
    with django_assert_num_queries(2):
        socket.speaks_as()


# Immediate notifications


@pytest.mark.parametrize("path", ["/accounts/logout/", "/admin/logout/"])
def test_a_log_out_notifies_its_own_sockets(browser: Browser, path: str) -> None:
    User.objects.update(is_staff=True)  # only staff may use the admin
    login = guests.login_of(browser.session.session_key)
    browser.post(path)
    assert told() == [{"login": login}]


def test_the_session_has_ended_before_the_notification(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = browser.session
    seen = []
    monkeypatch.setattr(signals, "tell", lambda **_: seen.append(store.exists(store.session_key)))
    browser.post("/accounts/logout/")
    assert seen == [False]


def test_a_guest_who_logs_out_notifies_nobody(client: Browser) -> None:
    client.post("/accounts/logout/")
    assert told() == []


@pytest.mark.parametrize("end", [change_the_password_here, change_the_password_elsewhere])
def test_a_password_change_notifies_all_sockets_of_the_person(
    browser: Browser,
    ann: User,
    end: Callable[[Browser, User], None],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        end(browser, ann)
    assert told() == [{"person": f"user:{ann.pk}"}]


def test_the_end_of_an_account_notifies_its_sockets(
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


def test_a_log_in_notifies_nobody(
    client: Browser,
    ann: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/login/", {"username": "ann", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(ann.pk)
    assert told() == []


def test_a_log_out_succeeds_although_nobody_can_be_notified(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr("channels_workers.Channel.send", fail)
    assert browser.post("/accounts/logout/").status_code == 302
    assert browser.get("/accounts/password/").status_code == 302
    assert "Could not tell the sockets" in caplog.text


def test_the_chat_handles_the_notification() -> None:
    assert signals.LOGGED_OUT in Router(channel_routing).channels


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
def test_a_guest_may_take_any_other_name(ann: User, handle: str) -> None:
    guests.check_handle(handle, Speaker(GUEST))


def test_an_account_is_shown_under_its_own_name_whatever_it_sends(ann: User) -> None:
    User.objects.create_user("bob")
    guests.check_handle("bob", Speaker("user:1", "ann", is_staff=False))


def test_deleting_an_account_frees_its_name(ann: User) -> None:
    ann.delete()
    assert not Name.objects.exists()
    guests.check_handle("ann", Speaker(GUEST))


# What others see


def test_the_public_id_is_stable_short_and_one_way(settings: Settings) -> None:
    known = guests.who_is("user:1")
    assert known == guests.who_is("user:1") != guests.who_is("user:2")
    assert len(known) == 12
    assert int(known, 16) >= 0
    settings.SECRET_KEY = "another"
    assert guests.who_is("user:1") != known
