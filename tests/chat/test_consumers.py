"""Consumers without a server, run as a worker does up to its commit."""

import datetime as dt
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from channels_workers.layers.types import DISCONNECT, RECEIVE, GroupSend, Join, Leave, Send
from channels_workers.models import CommittedMessage
from chat import consumers
from chat.models import Change, Message, Presence, Room
from chat.paces import Pace
from tests.chat.connection import ORIGIN, Connection, cookie_of, login_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(settings: Settings) -> Connection:
    settings.ALLOWED_HOSTS = ["localhost"]
    Room.objects.at("lobby")
    return Connection(cookie=cookie_of("guest:ann"))


@pytest.fixture
def bob(connection: Connection) -> Connection:
    bob = Connection("server!bob", cookie=cookie_of("guest:bob"))
    bob.connect()
    return bob


def is_for_the_sender(operation: object) -> bool:
    return isinstance(operation, Send) and operation.channel == "server!socket"


def is_for_the_room(operation: object) -> bool:
    return isinstance(operation, GroupSend) and operation.group == "chat-lobby"


def said_by(connection: Connection, **fields: Any) -> int:
    connection.run(connection.say(**fields))
    return int(Message.objects.latest("id").pk)


# Connect and disconnect


def test_a_socket_joins_its_rooms_group_and_is_accepted(connection: Connection) -> None:
    operations = connection.connect()
    assert Join("chat-lobby", "server!socket") in operations
    (accept,) = [one for one in operations if is_for_the_sender(one)]
    assert connection.decode(accept) == {"accept": True}


def test_the_first_socket_creates_the_room(connection: Connection) -> None:
    accept = connection.connect(path="/chat/nobody-was-here/")[-1]
    assert connection.decode(accept) == {"accept": True}
    assert Room.objects.filter(label="nobody-was-here").exists()


@pytest.mark.parametrize("path", ["/chat/nobody was here/", "/lobby/", "/chat/admin/", "/"])
def test_a_socket_with_an_invalid_room_is_denied(connection: Connection, path: str) -> None:
    (denial,) = connection.connect(path=path)
    assert connection.decode(denial) == {"close": True}
    assert connection.disconnect() in ([], [Leave(f"chat-{path[6:-1]}", "server!socket")])


@pytest.mark.parametrize("path", ["/chat/lobby/", "/chat/"])
@pytest.mark.parametrize("headers", [[], [[b"origin", b"https://evil.example"]]])
def test_a_socket_of_another_origin_is_denied(
    connection: Connection, headers: Any, path: str
) -> None:
    (denial,) = connection.connect(headers, path=path)
    assert connection.decode(denial) == {"close": True}


def test_a_disconnected_socket_leaves_the_group(connection: Connection) -> None:
    connection.connect()
    assert Leave("chat-lobby", "server!socket") in connection.disconnect()


# Messages


def test_a_message_is_stored_and_sent_to_the_room(connection: Connection) -> None:
    connection.connect()
    told = connection.run(connection.say(nonce="n1"))[0]
    stored = Message.objects.get()
    assert is_for_the_room(told)
    assert connection.decode(told) == {"text": stored.frame()}
    assert stored.person == "guest:ann"


def test_a_repeated_delivery_after_a_crash_notifies_the_room_again(
    connection: Connection,
) -> None:
    connection.connect()
    delivery = connection.say(nonce="n1")
    lost = connection.run(delivery, is_committed=False)
    again = connection.run(delivery._replace(token="another", consumer="another"))
    assert again[0] == lost[0]
    assert Message.objects.count() == 1


def test_a_repeated_delivery_without_a_nonce_is_stored_once(connection: Connection) -> None:
    connection.connect()
    delivery = connection.say()
    lost = connection.run(delivery, is_committed=False)
    assert connection.run(delivery) == lost
    assert Message.objects.count() == 1


def test_a_refusal_that_nobody_got_is_decided_again(
    connection: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    connection.run(connection.say())
    delivery = connection.say(nonce="n1")
    (error,) = connection.frames(connection.run(delivery, is_committed=False))
    assert (error["code"], error["nonce"]) == ("too_fast", "n1")
    settings.CHAT_RATE_LIMIT = None
    connection.run(delivery)
    assert Message.objects.count() == 2


def test_refused_frames_store_nothing(connection: Connection, settings: Settings) -> None:
    """Else a client could push out rows that others need, and fill the database."""
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    connection.run(connection.say())
    stored = [model.objects.count() for model in (CommittedMessage, Pace, Message)]
    refused = [{"message": "more", "nonce": "n1"}, {"message": "more"}]
    refused += [{"type": kind, "id": 10**9, "message": "x"} for kind in ("edit", "delete")]
    for fields in refused:
        connection.send(**({"handle": "ann"} if "type" not in fields else {}) | fields)
    assert [model.objects.count() for model in (CommittedMessage, Pace, Message)] == stored


def test_only_what_is_stored_costs_a_row_of_once(connection: Connection) -> None:
    connection.connect()
    for fields in ({"type": "typing"}, {"type": "presence"}):
        connection.send(handle="ann", **fields)
    assert not CommittedMessage.objects.exists()
    connection.run(connection.say())
    pk = Message.objects.get().pk
    connection.send(type="edit", id=pk, message="better")
    connection.send(type="delete", id=pk)
    assert CommittedMessage.objects.count() == 3
    connection.disconnect()
    assert CommittedMessage.objects.count() == 3


def test_a_retry_in_another_delivery_is_confirmed_to_its_sender(connection: Connection) -> None:
    connection.connect()
    connection.run(connection.say(nonce="n1"))
    (answer,) = connection.run(connection.say(nonce="n1"))
    assert is_for_the_sender(answer)
    assert connection.decode(answer) == {"text": Message.objects.get().frame()}


def test_a_logged_in_user_speaks_under_the_accounts_name(
    connection: Connection,
) -> None:
    user = User.objects.create_user("Zoe", password="secret")
    connection.cookie = login_of(user)
    connection.connect()
    frame = connection.send(handle="ann", message="hi")[0]
    assert (frame["handle"], frame["account"]) == ("Zoe", True)
    stored = Message.objects.get()
    assert (stored.person, stored.account) == (f"user:{user.pk}", True)


BAD_FRAMES: dict[str, tuple[dict[str, Any], str]] = {
    "an edit without an id": ({"type": "edit", "message": "hi"}, "bad_message"),
    "an edit without a message": ({"type": "edit", "id": 1}, "bad_message"),
    "an edit with a handle": (
        {"type": "edit", "id": 1, "message": "hi", "handle": "x"},
        "bad_message",
    ),
    "an edit of nothing": ({"type": "edit", "id": 99, "message": "hi"}, "not_found"),
    "an empty edit": ({"type": "edit", "id": 1, "message": " "}, "bad_message"),
    "a long edit": ({"type": "edit", "id": 1, "message": "x" * 4001}, "too_long"),
    "a deletion without an id": ({"type": "delete"}, "bad_message"),
    "a deletion of nothing": ({"type": "delete", "id": 99}, "not_found"),
    "a deletion with a message": ({"type": "delete", "id": 1, "message": "x"}, "bad_message"),
    "typing without a handle": ({"type": "typing"}, "bad_message"),
    "typing with a long handle": ({"type": "typing", "handle": "x" * 41}, "too_long"),
    "typing with a nonce": ({"type": "typing", "handle": "x", "nonce": "n"}, "bad_message"),
    "presence with a list as handle": ({"type": "presence", "handle": []}, "bad_message"),
    "presence with lines": ({"type": "presence", "handle": "a\nb"}, "bad_message"),
    "presence of the server": ({"type": "presence", "here": []}, "bad_message"),
    "what the server sends": ({"type": "deleted", "id": 1}, "bad_message"),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_an_invalid_frame_of_each_type_is_answered_only_to_its_sender(
    connection: Connection, case: str
) -> None:
    fields, code = BAD_FRAMES[case]
    connection.connect()
    (answer,) = connection.run(connection.frame(**fields))
    assert is_for_the_sender(answer)
    error = json.loads(connection.decode(answer)["text"])
    assert (error["type"], error["code"]) == ("error", code)
    assert error.get("id") == fields.get("id")


def test_an_invalid_frame_is_answered_to_its_sender(connection: Connection) -> None:
    connection.connect()
    for delivery in (
        connection.deliver(RECEIVE, text="no JSON"),
        connection.deliver(RECEIVE, bytes=b"{}"),
        connection.say(colour="red"),
    ):
        (answer,) = connection.run(delivery)
        assert is_for_the_sender(answer)
        assert json.loads(connection.decode(answer)["text"])["type"] == "error"
    assert not Message.objects.exists()


def test_a_room_deleted_meanwhile_is_forbidden(connection: Connection) -> None:
    connection.connect()
    Room.objects.all().delete()
    for fields in (
        {"handle": "ann", "message": "hi", "nonce": "n1"},
        {"type": "edit", "id": 1, "message": "hi", "nonce": "n1"},
        {"type": "delete", "id": 1, "nonce": "n1"},
    ):
        (error,) = connection.send(**fields)
        assert (error["code"], error["nonce"]) == ("forbidden", "n1")
    (error,) = connection.send(type="presence")
    assert error["code"] == "forbidden"
    assert connection.disconnect() == [Leave("chat-lobby", "server!socket")]


# Rate limits


def test_a_person_above_the_rate_limit_stores_nothing(
    connection: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    connection.run(connection.say())
    (error,) = connection.send(handle="ann", message="hi", nonce="n2")
    assert (error["code"], error["nonce"]) == ("too_fast", "n2")
    assert Message.objects.count() == 1


def test_the_rate_limit_covers_all_sockets_and_rooms_of_a_person(
    connection: Connection, bob: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (2, 60.0)
    Room.objects.at("other")
    connection.connect()
    other = Connection("server!other", "/chat/other/", connection.cookie)
    other.connect()
    connection.run(connection.say())
    other.run(other.say())
    for socket in (connection, other):
        assert socket.send(handle="ann", message="more")[0]["code"] == "too_fast"
    assert bob.send(handle="bob", message="not me")[0]["message"] == "not me"


def test_after_a_pause_the_person_may_speak_again(
    connection: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    connection.run(connection.say())
    Message.objects.update(timestamp=timezone.now() - dt.timedelta(seconds=61))
    assert connection.send(handle="ann", message="again")[0]["message"] == "again"


def test_a_lost_run_does_not_count_towards_the_limit(
    connection: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    delivery = connection.say()
    connection.run(delivery, is_committed=False)
    assert is_for_the_room(connection.run(delivery)[0])


def test_a_retry_of_a_stored_message_is_never_rate_limited(
    connection: Connection, settings: Settings
) -> None:
    settings.CHAT_RATE_LIMIT = (1, 60.0)
    connection.connect()
    connection.run(connection.say(nonce="n1"))
    assert connection.send(handle="ann", message="hi", nonce="n1")[0]["nonce"] == "n1"


def test_edits_are_rate_limited_too(connection: Connection, settings: Settings) -> None:
    settings.CHAT_RATE_LIMIT = (2, 60.0)
    connection.connect()
    pk = said_by(connection)
    frames = [connection.send(type="edit", id=pk, message=f"m{n}")[0] for n in range(3)]
    assert [frame["type"] for frame in frames] == ["edited", "edited", "error"]
    assert connection.send(type="delete", id=pk)[0]["code"] == "too_fast"
    Change.objects.update(timestamp=timezone.now() - dt.timedelta(seconds=61))
    assert connection.send(type="delete", id=pk)[0]["type"] == "deleted"


def test_requests_for_presence_are_rate_limited(connection: Connection, settings: Settings) -> None:
    settings.CHAT_RATE_LIMIT = (2, 60.0)
    connection.connect()
    asked = [{"handle": "n1"}, {}, {"handle": "n2"}, {}]
    answers = [connection.send(type="presence", **more) for more in asked]
    assert [frames[-1].get("code") for frames in answers] == [None, None, "too_fast", "too_fast"]
    assert [any("here" in frame for frame in frames) for frames in answers] == [
        True,
        True,
        False,
        False,
    ]
    assert Presence.objects.get().handle == "n1"


# Edits and deletions


def test_an_edit_is_stored_and_sent_to_the_room(connection: Connection) -> None:
    connection.connect()
    pk = said_by(connection, nonce="n1")
    (told,) = connection.run(connection.frame(type="edit", id=pk, message=" better "))
    assert is_for_the_room(told)
    stored = Message.objects.get()
    frame = json.loads(connection.decode(told)["text"])
    assert frame == {"type": "edited", "change": 1, **stored.fields()}
    assert (frame["message"], frame["nonce"]) == ("better", "n1")
    assert frame["edited"].endswith("Z")


def test_a_deletion_keeps_a_row_without_text(connection: Connection) -> None:
    connection.connect()
    pk = said_by(connection)
    connection.send(type="edit", id=pk, message="better")
    (told,) = connection.run(connection.frame(type="delete", id=pk))
    assert is_for_the_room(told)
    stored = Message.objects.get()
    frame = json.loads(connection.decode(told)["text"])
    assert frame == {"type": "deleted", "change": 2, **stored.fields()}
    assert (frame["handle"], frame["message"], frame["deleted"]) == ("", "", True)
    assert "edited" not in frame


@pytest.mark.parametrize("fields", [{"type": "edit", "message": "better"}, {"type": "delete"}])
def test_a_repeated_change_is_sent_again_under_its_number(
    connection: Connection, bob: Connection, fields: dict[str, Any]
) -> None:
    connection.connect()
    pk, other = said_by(connection), said_by(bob)
    delivery = connection.frame(id=pk, **fields)
    lost = connection.run(delivery, is_committed=False)
    bob.send(type="edit", id=other, message="meanwhile")
    assert connection.run(delivery) == lost
    assert Room.objects.get().change == 2


def test_a_late_repeated_edit_does_not_undo_a_newer_one(connection: Connection) -> None:
    connection.connect()
    tab = Connection("server!tab", cookie=connection.cookie)
    tab.connect()
    pk = said_by(connection)
    delivery = connection.frame(type="edit", id=pk, message="first")
    connection.run(delivery, is_committed=False)
    tab.send(type="edit", id=pk, message="second")
    (again,) = connection.frames(connection.run(delivery))
    assert (again["message"], again["change"]) == ("first", 1)  # clients have the higher change
    stored = Message.objects.get()
    assert (stored.message, stored.change) == ("second", 2)


def test_a_change_without_effect_is_confirmed_to_the_sender(connection: Connection) -> None:
    connection.connect()
    pk = said_by(connection)
    for fields in ({"type": "edit", "message": "better"}, {"type": "delete"}):
        connection.send(id=pk, **fields)
        change = Room.objects.get().change
        (answer,) = connection.run(connection.frame(id=pk, **fields))
        assert is_for_the_sender(answer)
        assert json.loads(connection.decode(answer)["text"])["change"] == change
        assert Room.objects.get().change == change


def test_a_deleted_message_cannot_be_edited(connection: Connection) -> None:
    connection.connect()
    pk = said_by(connection)
    connection.send(type="delete", id=pk)
    (error,) = connection.send(type="edit", id=pk, message="back", nonce="n1")
    assert (error["code"], error["id"], error["nonce"]) == ("not_found", pk, "n1")


@pytest.mark.parametrize("fields", [{"type": "edit", "message": "mine"}, {"type": "delete"}])
def test_messages_of_others_cannot_be_changed(
    connection: Connection, bob: Connection, fields: dict[str, Any]
) -> None:
    pk = said_by(bob, handle="ann")
    connection.connect()
    (error,) = connection.send(id=pk, **fields)
    assert (error["code"], error["id"]) == ("forbidden", pk)
    assert Message.objects.get().message == "hi"


@pytest.mark.parametrize("fields", [{"type": "edit", "message": "late"}, {"type": "delete"}])
def test_own_messages_can_be_changed_for_a_limited_time(
    connection: Connection, settings: Settings, fields: dict[str, Any]
) -> None:
    connection.connect()
    pk = said_by(connection)
    Message.objects.update(timestamp=timezone.now() - dt.timedelta(seconds=601))
    (error,) = connection.send(id=pk, **fields)
    assert (error["code"], error["detail"]) == (
        "forbidden",
        "A message can be changed for 10 minutes only.",
    )
    settings.CHAT_EDIT_TIME = 700
    assert connection.send(id=pk, **fields)[0]["change"] == 1


def test_a_message_of_another_room_is_not_found(connection: Connection) -> None:
    connection.connect()
    pk = said_by(connection)
    Room.objects.at("other")
    other = Connection("server!other", "/chat/other/", connection.cookie)
    other.connect()
    assert other.send(type="delete", id=pk)[0]["code"] == "not_found"


def test_staff_can_delete_but_not_edit_any_message_at_any_time(
    connection: Connection, bob: Connection
) -> None:
    pk = said_by(bob)
    Message.objects.update(timestamp=timezone.now() - dt.timedelta(days=1))
    connection.cookie = login_of(User.objects.create_user("mod", is_staff=True))
    connection.connect()
    assert connection.send(type="edit", id=pk, message="x")[0]["code"] == "forbidden"
    assert connection.send(type="delete", id=pk)[0]["type"] == "deleted"


def test_a_user_who_is_not_staff_cannot_delete_messages_of_others(
    connection: Connection, bob: Connection
) -> None:
    pk = said_by(bob)
    connection.cookie = login_of(User.objects.create_user("zoe"))
    connection.connect()
    assert connection.send(type="delete", id=pk)[0]["code"] == "forbidden"


def test_a_retry_does_not_restore_a_deleted_message(
    connection: Connection,
) -> None:
    connection.connect()
    connection.send(type="delete", id=said_by(connection, nonce="n1"))
    (answer,) = connection.send(handle="ann", message="hi", nonce="n1")
    assert (answer["deleted"], answer["nonce"]) == (True, "n1")


# Typing


def test_typing_is_sent_to_the_room_at_intervals(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.connect()
    now = 1000.0
    monkeypatch.setattr(consumers.time, "time", lambda: now)
    (told,) = connection.run(connection.frame(type="typing", handle="ann"))
    assert is_for_the_room(told)
    frame = json.loads(connection.decode(told)["text"])
    assert frame == {"type": "typing", "handle": "ann", "who": frame["who"]}
    now = 1002.9
    assert connection.send(type="typing", handle="ann") == []
    now = 1003.0
    assert len(connection.send(type="typing", handle="")) == 1
    now = 500.0  # the clock went back
    assert len(connection.send(type="typing", handle="ann")) == 1


def test_typing_and_messages_carry_the_same_public_id(connection: Connection) -> None:
    connection.connect()
    (typing,) = connection.send(type="typing", handle="ann")
    said = connection.send(handle="ann", message="hi")[0]
    assert typing["who"] == said["who"] != "guest:ann"


# The lobby


def test_the_lobby_sends_all_rooms_and_rejects_frames(connection: Connection) -> None:
    lobby = Connection("server!lobby", "/chat/")
    join, accept, rooms = lobby.connect()
    assert join == Join("lobby", "server!lobby")
    assert lobby.decode(accept) == {"accept": True}
    assert json.loads(lobby.decode(rooms)["text"]) == {"type": "rooms", "rooms": []}
    (error,) = lobby.send(handle="ann", message="hi")
    assert error["code"] == "bad_message"
    assert lobby.run(lobby.deliver(DISCONNECT)) == [Leave("lobby", "server!lobby")]


def test_a_socket_of_an_older_release_continues(connection: Connection) -> None:
    connection.session = connection.layer.encode({"room": "lobby", "person": "guest:old"})
    assert connection.send(handle="ann", message="hi")[0]["message"] == "hi"
    assert Message.objects.get().person == "guest:old"
    assert Presence.objects.get().person == "guest:old"
    connection.disconnect()
    assert not Presence.objects.exists()


def test_a_handshake_with_only_an_origin_is_accepted(connection: Connection) -> None:
    connection.connect([ORIGIN])
    assert Presence.objects.get().person.startswith("guest:")
