import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from chat import changes
from chat.frames import Said
from chat.models import Message, Room

pytestmark = pytest.mark.django_db


@pytest.fixture
def said() -> Message:
    room = Room.objects.named("Café am Eck")
    return Message.objects.record(room.label, Said("ann", "a needle"), "guest:a")[0]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Messages sent to groups."""
    sent: list[tuple[str, dict[str, Any]]] = []

    def send(group: changes.Group, content: dict[str, Any]) -> None:
        sent.append((group.name, json.loads(content["text"])))

    monkeypatch.setattr(changes.Group, "send", send)
    return sent


def test_messages_are_found_by_their_text(admin_client: Client, said: Message) -> None:
    Message.objects.record(said.room.label, Said("bob", "hay"), "guest:b")
    page = admin_client.get("/admin/chat/message/?q=needle").content.decode()
    assert "a needle" in page
    assert "hay" not in page


FORMS = {
    "selected": ("", {"action": "delete_selected", "post": "yes"}),
    "at once": ("", {"action": "delete_at_once"}),
    "the one": ("delete", {"post": "yes"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_deletion_is_announced_in_its_room(
    admin_client: Client,
    said: Message,
    told: list[tuple[str, dict[str, Any]]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    form: str,
) -> None:
    other, _ = Message.objects.record(said.room.label, Said("bob", "stays"), "guest:b")
    end, fields = FORMS[form]
    path = f"/admin/chat/message/{f'{said.pk}/delete/' if end else ''}"
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(path, {**fields, "_selected_action": said.pk})
    said.refresh_from_db()
    assert (said.deleted, said.handle, said.message, said.change) == (True, "", "", 1)
    assert told == [(f"chat-{said.room.label}", {"type": "deleted", "change": 1, **said.fields()})]
    other.refresh_from_db()
    assert other.message == "stays"


def test_an_already_deleted_message_is_left_alone(said: Message) -> None:
    assert changes.delete_all(Message.objects.all()) == 1
    assert changes.delete_all(Message.objects.all()) == 0
    assert Room.objects.get().change == 1


def test_deleting_messages_of_many_rooms_numbers_each_room_separately() -> None:
    for label in ("one", "two"):
        room = Room.objects.at(label)
        Message.objects.bulk_create(Message(room=room, message="hi") for _ in range(250))
    assert changes.delete_all(Message.objects.all()) == 500
    for room in Room.objects.all():
        numbers = room.messages.order_by("pk").values_list("change", flat=True)
        assert list(numbers) == list(range(1, 251))
        assert room.change == 250


def test_messages_cannot_be_added_or_changed(admin_client: Client, said: Message) -> None:
    path = f"/admin/chat/message/{said.pk}/change/"
    assert admin_client.get("/admin/chat/message/add/").status_code == 403
    assert admin_client.post(path, {"message": "other"}).status_code == 403
    page = admin_client.get(path).content.decode()
    assert "a needle" in page
    assert "<textarea" not in page


def test_rooms_are_found_by_name_and_show_their_message_count(
    admin_client: Client, said: Message
) -> None:
    page = admin_client.get("/admin/chat/room/?q=Caf").content.decode()
    assert "Café am Eck" in page
    assert '<td class="field-messages">1</td>' in page


def test_selected_rooms_are_emptied(
    admin_client: Client,
    said: Message,
    told: list[tuple[str, dict[str, Any]]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    form = {"action": "empty", "_selected_action": said.room.pk}
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post("/admin/chat/room/", form)
    assert not Message.objects.filter(deleted=False).exists()
    assert [frame["id"] for _, frame in told] == [said.pk]
    assert Room.objects.exists()


def test_deleting_a_room_deletes_its_content(admin_client: Client, said: Message) -> None:
    said.changes.create(person="guest:a", timestamp=said.timestamp)
    said.room.presences.create(reply_channel="server!a", person="guest:a", guest="guest:a")
    said.room.departures.create(reply_channel="server!b", person="guest:b")
    admin_client.post(f"/admin/chat/room/{said.room.pk}/delete/", {"post": "yes"})
    assert not Room.objects.exists()


def test_the_forms_of_a_room_and_a_message_open(admin_client: Client, said: Message) -> None:
    assert admin_client.get(f"/admin/chat/room/{said.room.pk}/change/").status_code == 200
    assert admin_client.get(f"/admin/chat/message/{said.pk}/change/").status_code == 200
