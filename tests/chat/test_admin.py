import pytest
from django.test import Client

from chat.frames import Said
from chat.models import Message, Room


@pytest.fixture
def said(db: None) -> Message:
    room = Room.objects.named("Café am Eck")
    return Message.objects.record(room.label, Said("ann", "a needle"), "guest:a", None)[0]


def test_messages_are_found_by_what_was_said(admin_client: Client, said: Message) -> None:
    Message.objects.record(said.room.label, Said("bob", "hay"), "guest:b", None)
    page = admin_client.get("/admin/chat/message/?q=needle").content.decode()
    assert "a needle" in page
    assert "hay" not in page


def test_selected_messages_are_deleted(admin_client: Client, said: Message) -> None:
    form = {"action": "delete_selected", "_selected_action": said.pk, "post": "yes"}
    admin_client.post("/admin/chat/message/", form)
    assert not Message.objects.exists()


def test_rooms_are_found_by_name_and_show_how_many_messages(
    admin_client: Client, said: Message
) -> None:
    page = admin_client.get("/admin/chat/room/?q=Caf").content.decode()
    assert "Café am Eck" in page
    assert '<td class="field-messages">1</td>' in page


def test_selected_rooms_are_emptied(admin_client: Client, said: Message) -> None:
    form = {"action": "empty", "_selected_action": said.room.pk}
    admin_client.post("/admin/chat/room/", form)
    assert not Message.objects.exists()
    assert Room.objects.exists()


def test_the_forms_of_a_room_and_a_message_open(admin_client: Client, said: Message) -> None:
    assert admin_client.get(f"/admin/chat/room/{said.room.pk}/change/").status_code == 200
    assert admin_client.get(f"/admin/chat/message/{said.pk}/change/").status_code == 200
