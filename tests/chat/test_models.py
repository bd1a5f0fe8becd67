import datetime as dt
import json

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from chat import guests, names
from chat.frames import FrameError, Said
from chat.models import Message, Room

pytestmark = pytest.mark.django_db


@pytest.fixture
def room() -> Room:
    return Room.objects.at("lobby")


def record(
    message: str = "hi", nonce: str | None = None, person: str = "guest:a"
) -> tuple[Message, bool]:
    return Message.objects.record("lobby", Said("ann", message, nonce), person)


def test_a_room_is_created_on_the_first_visit_and_found_on_the_second() -> None:
    first = Room.objects.at("lobby")
    assert Room.objects.at("lobby") == first
    assert (first.name, first.label, first.get_absolute_url()) == ("lobby", "lobby", "/lobby/")


def test_labels_that_differ_in_case_are_two_rooms() -> None:
    assert Room.objects.at("Lobby") != Room.objects.at("lobby")


def test_a_typed_name_is_stored_and_leads_to_the_same_room() -> None:
    room = Room.objects.named("Café am Eck")
    assert room.name == "Café am Eck"
    assert Room.objects.named("Café am Eck") == room
    assert Room.objects.at(room.label) == room


def test_a_room_first_visited_by_its_url_gets_its_name_later() -> None:
    visited = Room.objects.at(names.label_of("部屋"))
    named = Room.objects.named("部屋")
    assert (named.pk, named.name) == (visited.pk, "部屋")
    assert Room.objects.get(pk=visited.pk).name == "部屋"


def test_a_random_room_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    Room.objects.at("quiet-otter-42")
    labels = iter(["quiet-otter-42", "quiet-otter-42", "tidy-fox-7"])
    monkeypatch.setattr(names, "random_label", lambda: next(labels))
    assert Room.objects.random().label == "tidy-fox-7"


def test_recent_rooms_have_messages_and_the_latest_come_first(room: Room) -> None:
    for label in ("one", "two", "one"):
        Room.objects.at(label)
        Message.objects.record(label, Said("ann", "hi"), "guest:a")
    assert [found.label for found in Room.objects.recent(5)] == ["one", "two"]
    assert [found.label for found in Room.objects.recent(1)] == ["one"]


def test_a_message_is_stored_with_its_person_and_nonce(room: Room) -> None:
    message, is_news = record("hi", "n1")
    assert is_news
    stored = Message.objects.get()
    assert stored == message
    assert (stored.room, stored.handle, stored.message) == (room, "ann", "hi")
    assert (stored.person, stored.nonce) == ("guest:a", "n1")
    assert abs(timezone.now() - stored.timestamp) < dt.timedelta(minutes=1)


def test_the_frame_of_a_message(room: Room) -> None:
    message, _ = record("hi", "n1")
    message.timestamp = dt.datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=dt.UTC)
    assert json.loads(message.frame()) == {
        "handle": "ann",
        "message": "hi",
        "timestamp": "2026-01-02T03:04:05.678900Z",
        "id": message.pk,
        "who": guests.who_is("guest:a"),
        "nonce": "n1",
    }


def test_the_frame_of_a_message_without_a_nonce_has_none(room: Room) -> None:
    assert set(record()[0].fields()) == {"handle", "message", "timestamp", "id", "who"}


def test_the_frame_of_a_message_edited_by_an_account(room: Room) -> None:
    message = Message(room=room, account=True, person="user:1", message="hi", change=3)
    message.edited_at = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    fields = message.fields()
    assert (fields["account"], fields["edited"]) == (True, "2026-01-02T03:04:05Z")
    assert json.loads(message.change_frame()) == {"type": "edited", "change": 3, **fields}


def test_the_frame_of_a_deleted_message_does_not_say_that_it_was_edited(
    room: Room,
) -> None:
    message = Message(room=room, deleted=True, edited_at=timezone.now())
    frame = json.loads(message.change_frame())
    assert (frame["type"], frame["deleted"], "edited" in frame) == ("deleted", True, False)


def test_a_row_of_the_chat_of_2016_has_everything_that_pages_need(room: Room) -> None:
    query = "INSERT INTO chat_message (handle, message, timestamp, person, room_id) "
    with connection.cursor() as cursor:
        cursor.execute(query + "VALUES ('ann', 'hi', '2016-01-01 00:00', '', %s)", [room.pk])
    fields = Message.objects.get().fields()
    assert set(fields) == {"handle", "message", "timestamp", "id", "who"}


def test_a_room_created_by_an_older_release_is_complete() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chat_room (name, label) VALUES ('old', 'old')")
    old = Room.objects.get()
    assert (old.change, old.revision, old.told) == (0, 0, None)


def test_the_public_id_does_not_reveal_the_person(room: Room) -> None:
    who = record(person="guest:a")[0].who
    assert (len(who), who) == (12, guests.who_is("guest:a"))
    assert who != record(person="guest:b")[0].who
    int(who, 16)


def test_a_message_with_a_known_nonce_is_not_stored_again(room: Room) -> None:
    first, _ = record("hi", "n1")
    assert record("changed", "n1") == (first, False)
    assert Message.objects.get().message == "hi"


def test_a_nonce_belongs_to_one_person_in_one_room(room: Room) -> None:
    Room.objects.at("other")
    record(nonce="n1")
    assert record(nonce="n1", person="guest:b")[1]
    assert Message.objects.record("other", Said("ann", "hi", "n1"), "guest:a")[1]
    assert Message.objects.count() == 3


def test_messages_without_a_nonce_are_all_stored(room: Room) -> None:
    assert record()[1]
    assert record()[1]
    assert Message.objects.count() == 2


def test_a_deleted_room_is_forbidden(room: Room) -> None:
    room.delete()
    with pytest.raises(FrameError) as caught:
        record(nonce="n1")
    assert caught.value.code == "forbidden"


def test_the_rate_limit_costs_one_more_query(
    room: Room, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(5):
        record(nonce="n1")


def test_changes_of_messages_in_order(room: Room) -> None:
    messages = [record()[0] for _ in range(4)]
    for change, message in enumerate((messages[2], messages[0], messages[3]), 1):
        Message.objects.filter(pk=message.pk).update(change=change)
    assert list(Message.objects.changed("lobby", 0, messages[2].pk, 9)) == [
        messages[2],
        messages[0],
    ]
    assert list(Message.objects.changed("lobby", 1, messages[3].pk, 9)) == [
        messages[0],
        messages[3],
    ]
    assert list(Message.objects.changed("lobby", 0, messages[3].pk, 1)) == [messages[2]]


def test_newest_older_and_newer_messages(room: Room) -> None:
    Room.objects.at("other")
    Message.objects.record("other", Said("bob", "elsewhere"), "guest:b")
    ids = [record()[0].pk for _ in range(5)]
    assert [message.pk for message in Message.objects.newest("lobby", 2)] == ids[:2:-1]
    assert [message.pk for message in Message.objects.older("lobby", ids[3], 2)] == ids[2:0:-1]
    assert [message.pk for message in Message.objects.newer("lobby", ids[1], 2)] == ids[2:4]


def test_the_database_refuses_a_second_row(room: Room) -> None:
    fields = {"room": room, "person": "guest:a", "nonce": "n1"}
    Message.objects.create(**fields)
    with pytest.raises(IntegrityError):
        Message.objects.create(**fields)


def test_a_database_without_partial_indexes_works_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.features, "supports_partial_indexes", False)  # like MySQL
    assert Message.check(databases=["default"]) == []


def test_only_a_nonce_is_looked_up(
    room: Room, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.CHAT_RATE_LIMIT = None
    for nonce, expected in ((None, ["INSERT"]), ("n1", ["SELECT", "INSERT"])):
        with django_assert_num_queries(2 + len(expected)) as queries:
            record(nonce=nonce)
        found = [one["sql"] for one in queries.captured_queries if "chat_message" in one["sql"]]
        assert [sql.split()[0] for sql in found] == expected
