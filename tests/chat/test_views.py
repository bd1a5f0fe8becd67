import json
import re
from typing import Any

import pytest
from django.conf import settings as chat_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from chat import changes, guests, names
from chat.frames import Edit, Said
from chat.models import Message, Room

pytestmark = pytest.mark.django_db

COOKIE = chat_settings.CHAT_GUEST_COOKIE_NAME
SESSION = chat_settings.SESSION_COOKIE_NAME


def fill(label: str, count: int) -> list[int]:
    """Store the messages "m0", "m1", ... in a room. Returns their ids."""
    room = Room.objects.at(label)
    messages = [Message(room=room, handle="ann", message=f"m{n}") for n in range(count)]
    return [message.pk for message in Message.objects.bulk_create(messages)]


def shown(page: str) -> list[str]:
    return re.findall(r"<p class=text dir=auto>(m\d+)<li", page.replace("</ol>", "<li"))


def get_json(client: Client, path: str, status: int = 200) -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == status
    found: dict[str, Any] = json.loads(response.content)
    return found


def test_the_lobby_asks_for_a_room(client: Client) -> None:
    page = client.get("/").content.decode()
    assert 'name="name"' in page
    assert 'href="/new/"' in page


def test_the_lobby_shows_recent_rooms_by_name(client: Client) -> None:
    room = Room.objects.named("Café <b>")
    Message.objects.record(room.label, Said("ann", "hi"), "guest:a")
    page = client.get("/").content.decode()
    assert f'href="/{room.label}/"' in page
    assert "Café &lt;b&gt;" in page


@pytest.mark.parametrize("name", ["lobby", "Café am Eck", "日本語の部屋", "admin", "a/b"])
def test_a_typed_name_leads_to_its_room(client: Client, name: str) -> None:
    response = client.post("/", {"name": f"  {name} "}, follow=True)
    room = Room.objects.get()
    assert response.redirect_chain == [(f"/{room.label}/", 302)]
    assert room.name == name
    assert f"<h1 dir=auto>{name}</h1>" in response.content.decode()
    assert client.post("/", {"name": name})["Location"] == f"/{room.label}/"
    assert Room.objects.count() == 1


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\0b"])
def test_an_invalid_name_shows_why(client: Client, name: str) -> None:
    response = client.post("/", {"name": name})
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert not Room.objects.exists()


def test_a_new_room_has_a_random_readable_name(client: Client) -> None:
    locations = {client.get("/new/")["Location"] for _ in range(3)}
    assert len(locations) == 3
    assert not Room.objects.exists()
    assert all(re.fullmatch("/[a-z]+-[a-z]+-[0-9]+/", location) for location in locations)


def test_looking_creates_no_room(client: Client) -> None:
    for path in ("/lobby/", "/lobby/messages/", "/new/", "/"):
        client.get(path, follow=True)
    response = client.get("/lobby/")
    assert response.status_code == 200
    assert 'data-socket="/chat/lobby/"' in response.content.decode()
    assert "data-change=0" in response.content.decode()
    assert not Room.objects.exists()


def test_an_old_room_is_found_by_its_name(client: Client) -> None:
    name = "a\u200bb"  # which cannot be chosen any more
    assert client.post("/", {"name": name}).status_code == 400
    room = Room.objects.create(name=name, label=names.label_of(name))
    assert client.post("/", {"name": f" {name} "})["Location"] == f"/{room.label}/"
    assert client.post("/", {"name": "a\0b"}).status_code == 400


def test_a_room_shows_the_last_50_messages_in_order(client: Client) -> None:
    fill("lobby", 60)
    page = client.get("/lobby/").content.decode()
    assert shown(page) == [f"m{n}" for n in range(10, 60)]
    assert " data-more>" in page


def test_a_room_of_50_messages_has_no_earlier_ones(client: Client) -> None:
    fill("lobby", 50)
    assert " data-more>" not in client.get("/lobby/").content.decode()


def test_user_input_is_shown_as_text(client: Client) -> None:
    Room.objects.at("lobby")
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    Message.objects.record("lobby", Said(evil[:40], evil), "guest:a")
    page = client.get("/lobby/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;" in page


def test_pages_have_no_inline_script_or_style(client: Client) -> None:
    for path in ("/", "/lobby/", "/no such room/"):
        page = client.get(path).content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


def test_a_room_page_gives_a_guest_a_cookie_and_keeps_it(client: Client) -> None:
    cookie = client.get("/lobby/").cookies[COOKIE]
    assert cookie["httponly"]
    assert guests.person_in(client.cookies and {COOKIE: cookie.value})
    assert COOKIE not in client.get("/lobby/").cookies


def test_a_forged_cookie_is_replaced(client: Client) -> None:
    client.cookies[COOKIE] = "guest:somebody"
    assert COOKIE in client.get("/lobby/").cookies


def test_a_missing_slash_is_added(client: Client) -> None:
    assert client.get("/lobby")["Location"] == "/lobby/"


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/accounts/",
        "/Admin/",
        "/chat/",
        "/a b/",
        "/caf%C3%A9/",
        f"/{'a' * 51}/",
        "/a/b/",
    ],
)
def test_other_paths_explain_what_a_name_may_contain(client: Client, path: str) -> None:
    response = client.get(path)
    page = response.content.decode()
    assert response.status_code == 404
    assert "1 to 50 of the letters a-z and A-Z, the digits 0-9, _ and -" in page
    assert not Room.objects.exists()


def test_a_404_page_links_to_the_lobby_with_the_requested_name(client: Client) -> None:
    assert 'value="a &quot;b&quot;"' in client.get('/a "b"/').content.decode()


def test_the_history_before_an_id(client: Client) -> None:
    ids = fill("lobby", 60)
    page = get_json(client, f"/lobby/messages/?before={ids[55]}")
    assert [message["id"] for message in page["messages"]] == ids[5:55]
    assert page["more"] is True
    page = get_json(client, f"/lobby/messages/?before={ids[5]}")
    assert [message["id"] for message in page["messages"]] == ids[:5]
    assert page["more"] is False


def test_the_history_after_an_id(client: Client) -> None:
    ids = fill("lobby", 250)
    page = get_json(client, f"/lobby/messages/?after={ids[9]}")
    assert [message["id"] for message in page["messages"]] == ids[10:210]
    assert page["more"] is True
    page = get_json(client, f"/lobby/messages/?after={ids[209]}")
    assert [message["id"] for message in page["messages"]] == ids[210:]
    assert page["more"] is False


def test_the_history_without_a_query_is_the_last_50(client: Client) -> None:
    ids = fill("lobby", 60)
    page = get_json(client, "/lobby/messages/")
    assert [message["id"] for message in page["messages"]] == ids[10:]


def test_the_history_has_the_format_of_the_socket(client: Client) -> None:
    Room.objects.at("lobby")
    message, _ = Message.objects.record("lobby", Said("ann", "hi", "n1"), "guest:a")
    assert get_json(client, "/lobby/messages/")["messages"] == [message.fields()]


def test_the_history_of_another_room_is_not_shown(client: Client) -> None:
    fill("other", 3)
    fill("lobby", 0)
    assert get_json(client, "/lobby/messages/?after=0") == {"messages": [], "more": False}


def change_all(room: Room, ids: list[int]) -> None:
    """Edit these messages, one after the other."""
    for pk in ids:
        speaker = guests.Speaker("")
        changes.edit(room.label, Edit(pk, f"edited {pk}"), speaker)


@pytest.fixture
def no_rate(settings: Settings) -> None:
    settings.CHAT_RATE_LIMIT = None


def test_changes_come_with_newer_messages(client: Client, no_rate: None) -> None:
    ids = fill("lobby", 5)
    room = Room.objects.get()
    change_all(room, [ids[3], ids[0], ids[4], ids[1]])
    page = get_json(client, f"/lobby/messages/?after={ids[3]}&change=1")
    assert [message["id"] for message in page["messages"]] == [ids[4]]
    assert page["messages"][0]["message"] == f"edited {ids[4]}"
    assert [message["id"] for message in page["changed"]] == [ids[0], ids[1]]
    assert (page["change"], page["more"]) == (4, False)
    page = get_json(client, f"/lobby/messages/?after={ids[4]}&change=4")
    assert page == {"messages": [], "more": False, "change": 4, "changed": []}


def test_changes_are_sent_only_on_request(client: Client, no_rate: None) -> None:
    ids = fill("lobby", 1)
    change_all(Room.objects.get(), ids)
    assert set(get_json(client, f"/lobby/messages/?after={ids[0]}")) == {"messages", "more"}


def test_many_changes_come_in_parts(client: Client, no_rate: None) -> None:
    ids = fill("lobby", 250)
    change_all(Room.objects.get(), ids)
    found, change, more = [], 0, True
    while more:
        page = get_json(client, f"/lobby/messages/?after={ids[-1]}&change={change}")
        found += [message["id"] for message in page["changed"]]
        change, more = page["change"], page["more"]
    assert (found, change) == (ids, 250)


def test_deleted_messages_are_in_the_history_without_text(client: Client) -> None:
    ids = fill("lobby", 2)
    changes.delete_all(Message.objects.filter(pk=ids[0]))
    page = get_json(client, "/lobby/messages/")
    assert [message["message"] for message in page["messages"]] == ["", "m1"]
    assert page["messages"][0]["deleted"] is True


def test_the_room_page_has_its_visitor_and_change_number(client: Client, no_rate: None) -> None:
    change_all(Room.objects.at("lobby"), fill("lobby", 2))
    response = client.get("/lobby/")
    person = guests.person_in({COOKIE: client.cookies[COOKIE].value})
    assert response.context["who"] == guests.who_is(person or "")
    assert response.context["room"].change == 2
    assert response.context["edit_time"] == 600
    assert client.get("/lobby/").context["who"] == response.context["who"]


def test_the_room_page_of_an_account_has_the_account(client: Client) -> None:
    user = User.objects.create_user("zoe")
    client.force_login(user)
    response = client.get("/lobby/")
    assert response.context["who"] == guests.who_is(f"user:{user.pk}")
    person = guests.person_in({COOKIE: client.cookies[COOKIE].value})
    assert (person or "").startswith("guest:")


def test_the_lobby_shows_people_in_a_room_without_messages(client: Client) -> None:
    room = Room.objects.at("lobby")
    room.presences.create(reply_channel="s!a", person="guest:a", handle="ann", guest="guest:a")
    (shown,) = client.get("/").context["rooms"]
    assert (shown, shown.people, shown.handles) == (room, 1, ["ann"])


@pytest.mark.parametrize(
    "query",
    [
        "change=1",
        "before=1&change=1",
        "after=1&change=-1",
        "after=1&change=x",
        "after=1&change=" + "9" * 19,
        "before=x",
        "before=",
        "before=-1",
        "after=1.5",
        "after=%00",
        "after=\u0664",
        "after=" + "9" * 19,
        "after=" + "9" * 5000,
        "before=1&after=1",
    ],
)
def test_a_bad_id_is_answered_with_400(client: Client, query: str) -> None:
    fill("lobby", 0)
    page = get_json(client, f"/lobby/messages/?{query}", status=400)
    assert (page["type"], page["code"]) == ("error", "bad_query")
    assert page["detail"].startswith("Expected ")


def test_the_history_of_a_missing_room_creates_none(client: Client) -> None:
    assert get_json(client, "/lobby/messages/", status=404)["code"] == "not_found"
    assert get_json(client, "/admin-x/messages/?after=1", status=404)["type"] == "error"
    assert not Room.objects.exists()


@pytest.mark.parametrize("path", ["/new/", "/lobby/", "/lobby/messages/"])
def test_pages_refuse_post(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("key", ["abcdefgh\x00", "abc defgh", "ü" * 20, "a" * 5000, "short"])
@pytest.mark.parametrize("path", ["/lobby/", "/", "/accounts/login/", "/admin/login/"])
def test_an_invalid_session_cookie_is_ignored(path: str, key: str, client: Client) -> None:
    """PostgreSQL refuses a NUL and SQLite does not, so such a key is never looked up."""
    from django.contrib.sessions.models import Session
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.cookies[SESSION] = key
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    table = Session._meta.db_table
    assert [query for query in asked if table in query["sql"] and key in query["sql"]] == []
