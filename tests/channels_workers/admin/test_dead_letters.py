import json
from typing import Any

import pytest
from channels.layers import channel_layers
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.http import HttpResponse
from django.test import Client as Browser
from pytest_django import Settings

from channels_workers.admin import letters
from channels_workers.admin.dead_letters import PAGE as ROWS
from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.memory.admin import MemoryAdmin
from labs.harness.ports import free_port
from tests.channels_workers.admin.conftest import HOSTILE, Member
from tests.channels_workers.clients import Client, contents, pull_one
from tests.channels_workers.conftest import MEMORY

pytestmark = pytest.mark.django_db

LIST = "/admin/channels_workers/deadletter/"
ALL = ("view_deadletter", "retry_deadletter", "drop_deadletter")


def dead_letter(layer: InMemoryChannelLayer, content: Any = None, reason: str = "died") -> str:
    Channel("work", channel_layer=layer).send(content or {"number": 1})
    layer.dead_letter(pull_one(layer, "work"), reason)
    return layer.admin.dead_letters()[-1].id


def of_socket(client: Client, **content: Any) -> str:
    client.connect(**content)
    client.layer.dead_letter(pull_one(client.layer), "no reason")
    return client.layer.admin.dead_letters()[-1].id


def act(
    client: Browser, action: str, *ids: str, confirm: bool = True, layer: str = ""
) -> HttpResponse:
    fields: dict[str, Any] = {"action": action, "letter": ids}
    if confirm:
        fields["confirm"] = "yes"
    answer: HttpResponse = client.post(f"{LIST}{layer}", fields, follow=True)  # type: ignore[assignment]
    return answer


def ids(layer: InMemoryChannelLayer) -> list[str]:
    return [letter.id for letter in layer.admin.dead_letters()]


def logged() -> list[tuple[str, int, str | None]]:
    entries = LogEntry.objects.order_by("pk")
    return [(each.user.get_username(), each.action_flag, each.object_id) for each in entries]


# Who may do what


def paths(letter: str) -> tuple[str, ...]:
    return LIST, f"{LIST}{letter}/change/"


def test_anonymous_visitors_go_to_the_login(
    client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    letter = dead_letter(memory_layer)
    for path in paths(letter):
        assert client.get(path)["Location"].startswith("/admin/login/")
    answer = client.post(LIST, {"action": "drop", "letter": letter, "confirm": "yes"})
    assert answer["Location"].startswith("/admin/login/")
    assert ids(memory_layer) == [letter]


@pytest.mark.parametrize(
    "permissions", [(), ("view_status",), ("retry_deadletter", "drop_deadletter")]
)
def test_staff_who_may_not_view_get_403(
    member: Member, memory_layer: InMemoryChannelLayer, permissions: tuple[str, ...]
) -> None:
    letter, client = dead_letter(memory_layer), member(*permissions)
    assert [client.get(path).status_code for path in paths(letter)] == [403, 403]
    for action in ("retry", "drop"):
        assert act(client, action, letter).status_code == 403
    assert ids(memory_layer) == [letter]
    assert logged() == []


@pytest.mark.parametrize(
    ("permission", "refused"), [("retry_deadletter", "drop"), ("drop_deadletter", "retry")]
)
def test_each_action_has_a_permission(
    member: Member, memory_layer: InMemoryChannelLayer, permission: str, refused: str
) -> None:
    letter, client = dead_letter(memory_layer), member("view_deadletter", permission)
    allowed = permission.partition("_")[0]
    for path in paths(letter):
        text = client.get(path).content.decode()
        assert f'value="{allowed}"' in text
        assert f'value="{refused}"' not in text
    assert act(client, refused, letter).status_code == 403
    assert act(client, refused, letter, confirm=False).status_code == 403
    assert ids(memory_layer) == [letter]
    assert act(client, allowed, letter).status_code == 200
    assert ids(memory_layer) == []


def test_one_who_only_views_has_no_form(member: Member, memory_layer: InMemoryChannelLayer) -> None:
    letter, client = dead_letter(memory_layer), member("view_deadletter")
    for path in paths(letter):
        text = client.get(path).content.decode()
        assert 'name="action"' not in text
        assert 'name="letter"' not in text


def test_actions_need_a_csrf_token(memory_layer: InMemoryChannelLayer) -> None:
    letter = dead_letter(memory_layer)
    client = Browser(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert act(client, "drop", letter).status_code == 403
    assert act(client, "retry", letter).status_code == 403
    assert ids(memory_layer) == [letter]


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_a_link_does_nothing(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, action: str
) -> None:
    letter = dead_letter(memory_layer)
    admin_client.get(LIST, {"action": action, "letter": letter, "confirm": "yes"})
    assert ids(memory_layer) == [letter]


# Lists and pages


def test_letters_are_listed_the_newest_first(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    assert "No dead letters here." in admin_client.get(LIST).content.decode()
    first, second = dead_letter(memory_layer), dead_letter(memory_layer)
    text = admin_client.get(LIST).content.decode()
    assert text.index(second) < text.index(first)
    assert "died" in text


def test_many_letters_are_listed_by_pages(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    every = [dead_letter(memory_layer) for _ in range(2 * ROWS + 1)]

    def shown(path: str) -> list[str]:
        text = admin_client.get(path).content.decode()
        return [each for each in every if f'value="{each}"' in text]

    assert shown(LIST) == every[-ROWS:]
    assert shown(f"{LIST}?before={every[-ROWS]}") == every[1 : ROWS + 1]
    assert shown(f"{LIST}?before={every[1]}") == every[:1]
    assert f"?before={every[-ROWS]}" in admin_client.get(LIST).content.decode()
    assert admin_client.get(f"{LIST}?before=nonsense")["Location"] == LIST


def test_the_page_of_a_letter(admin_client: Browser, memory_layer: InMemoryChannelLayer) -> None:
    letter = dead_letter(memory_layer, {"number": 1234567})
    text = admin_client.get(f"{LIST}{letter}/change/").content.decode()
    assert "1234567" in text
    assert "died" in text


@pytest.mark.parametrize("letter", ["nonsense", "1-1", "..%2F..", "%00"])
def test_a_letter_that_does_not_exist(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, letter: str
) -> None:
    page = admin_client.get(f"{LIST}{letter}/change/", follow=True)
    assert page.redirect_chain == [(LIST, 302)]
    assert "any more." in page.content.decode()


def test_a_large_message_is_cut(admin_client: Browser, memory_layer: InMemoryChannelLayer) -> None:
    letter = dead_letter(memory_layer, {"text": "x" * 300_000})
    text = admin_client.get(f"{LIST}{letter}/change/").content.decode()
    assert len(text) < 60_000
    assert "more characters are not shown." in text


def test_a_deeply_nested_message(admin_client: Browser, memory_layer: InMemoryChannelLayer) -> None:
    content: dict[str, Any] = {}
    for _ in range(400):
        content = {"a": content}
    letter = dead_letter(memory_layer, content)
    assert admin_client.get(f"{LIST}{letter}/change/").status_code == 200


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_content_is_text(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, text: str
) -> None:
    letter = dead_letter(memory_layer, {text: text}, reason=text)
    for path in paths(letter):
        page = admin_client.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<img" not in page
        assert not set("\u202e\u0000\x1b") & set(page)
    question = act(admin_client, "drop", letter, confirm=False).content.decode()
    assert "<script>alert" not in question
    act(admin_client, "drop", letter)
    entry = LogEntry.objects.get()
    assert "<script>alert" not in admin_client.get("/admin/").content.decode()
    assert len(entry.object_repr) <= 200


def test_what_would_let_a_reader_act_as_the_client_is_hidden(
    admin_client: Browser, client_socket: Client
) -> None:
    headers = [[b"Cookie", b"sessionid=SECRET1"], [b"authorization", b"Basic SECRET2"]]
    letter = of_socket(
        client_socket,
        headers=[*headers, [b"user-agent", b"a browser"], b"odd", []],
        query_string=b"room=lobby&session_key=SECRET3&token=SECRET4",
    )
    text = admin_client.get(f"{LIST}{letter}/change/").content.decode()
    assert "SECRET" not in text
    assert "a browser" in text
    assert "room=lobby" in text


def test_the_body_of_a_request_is_hidden() -> None:
    content = {"body": b"password=SECRET", "query_string": 3, "headers": "odd", "path": "/"}
    found = letters.without_secrets(content, "http.request")
    assert found == {
        "body": b"(hidden)",
        "query_string": b"(hidden)",
        "headers": "odd",
        "path": "/",
    }
    assert letters.without_secrets(content, "work")["body"] == b"password=SECRET"


def test_an_unreadable_letter_is_shown_as_one(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    letter = dead_letter(memory_layer)
    found = memory_layer.admin.dead_letters()[0]
    broken = found._replace(
        is_unreadable=True, message=found.message._replace(payload=b"\xc1<script>")
    )
    memory_layer.store.dead_letters[:] = [broken]
    assert "unreadable" in admin_client.get(LIST).content.decode()
    text = admin_client.get(f"{LIST}{letter}/change/").content.decode()
    assert "cannot be decoded" in text
    assert "\\xc1&lt;script&gt;" in text
    assert 'value="retry"' not in text
    answer = act(admin_client, "retry", letter).content.decode()
    assert "is unreadable. You can only drop it." in answer
    assert ids(memory_layer) == [letter]


# Actions


def test_letters_are_sent_again(admin_client: Browser, memory_layer: InMemoryChannelLayer) -> None:
    chosen = [dead_letter(memory_layer, {"number": number}) for number in range(3)]
    page = act(admin_client, "retry", *chosen[:2])
    assert "2 dead letters are sent again." in page.content.decode()
    assert contents(memory_layer, "work") == [{"number": 0}, {"number": 1}]
    assert ids(memory_layer) == chosen[2:]
    assert logged() == [("admin", CHANGE, chosen[0]), ("admin", CHANGE, chosen[1])]


def test_a_refused_retry_says_why(admin_client: Browser, client_socket: Client) -> None:
    letter = of_socket(client_socket)
    listed = admin_client.get(LIST).content.decode()
    assert "drop only" in listed
    page = admin_client.get(f"{LIST}{letter}/change/").content.decode()
    assert "is a message of a connection, which has gone on without it" in page
    assert 'value="retry"' not in page
    answer = act(admin_client, "retry", letter).content.decode()
    assert "is a message of a connection, which has gone on without it" in answer
    assert "is sent again" not in answer
    assert logged() == []


def test_a_drop_asks_first(admin_client: Browser, memory_layer: InMemoryChannelLayer) -> None:
    chosen = [dead_letter(memory_layer) for _ in range(3)]
    question = act(admin_client, "drop", *chosen[:2], confirm=False).content.decode()
    assert "This deletes 2 dead letters for good." in question
    assert chosen[0] in question
    assert ids(memory_layer) == chosen
    assert logged() == []
    answer = act(admin_client, "drop", *chosen[:2]).content.decode()
    assert "2 dead letters are dropped." in answer
    assert ids(memory_layer) == chosen[2:]
    assert logged() == [("admin", DELETION, chosen[0]), ("admin", DELETION, chosen[1])]
    entry = LogEntry.objects.first()
    assert entry is not None
    assert entry.change_message == "Dropped, layer default. died"
    assert entry.get_admin_url() == f"{LIST}{entry.object_id}/change/"


def test_letters_that_are_gone_already(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    letter = dead_letter(memory_layer)
    memory_layer.admin.drop(letter)
    for action in ("retry", "drop"):
        assert "was gone already." in act(admin_client, action, letter).content.decode()
    assert logged() == []


@pytest.mark.parametrize("method", ["retry", "drop"])
def test_a_letter_that_goes_in_the_same_moment_is_not_logged(
    admin_client: Browser,
    memory_layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    letter = dead_letter(memory_layer)
    monkeypatch.setattr(MemoryAdmin, method, lambda admin, letter: False)
    act(admin_client, method, letter)
    assert logged() == []


@pytest.mark.parametrize("fields", [{}, {"action": "retry"}, {"action": "delete", "letter": "1"}])
def test_nothing_chosen(
    admin_client: Browser, memory_layer: InMemoryChannelLayer, fields: dict[str, str]
) -> None:
    letter = dead_letter(memory_layer)
    page = admin_client.post(LIST, fields, follow=True)
    assert "Choose dead letters first." in page.content.decode()
    assert ids(memory_layer) == [letter]


def test_a_request_acts_on_one_page_of_letters(
    admin_client: Browser, memory_layer: InMemoryChannelLayer
) -> None:
    chosen = [dead_letter(memory_layer) for _ in range(ROWS + 5)]
    act(admin_client, "drop", *chosen, chosen[0])
    assert ids(memory_layer) == chosen[ROWS:]


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_nothing_happens_that_is_not_logged(
    admin_client: Browser,
    memory_layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    letter = dead_letter(memory_layer)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("no disk")

    monkeypatch.setattr(LogEntry, "save", fail)
    with pytest.raises(DatabaseError, match="no disk"):
        act(admin_client, action, letter)
    assert ids(memory_layer) == [letter]


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_nothing_is_logged_that_did_not_happen(
    admin_client: Browser,
    memory_layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    letter = dead_letter(memory_layer)

    def fail(*args: Any) -> None:
        raise LayerUnavailable("gone")

    monkeypatch.setattr(MemoryAdmin, action, fail)
    answer = act(admin_client, action, letter)
    assert answer.status_code == 503
    assert logged() == []


def test_a_layer_that_does_not_answer(admin_client: Browser, settings: Settings) -> None:
    host = f"redis://127.0.0.1:{free_port()}/0"
    layer = "channels_workers.layers.redis.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": layer, "CONFIG": {"hosts": [host]}}}
    for page in (
        admin_client.get(LIST),
        admin_client.get(f"{LIST}1-1/change/"),
        act(admin_client, "drop", "1-1"),
    ):
        assert page.status_code == 503
        assert page["Retry-After"] == "5"
        assert "does not answer" in page.content.decode()
        assert host not in page.content.decode()


def test_letters_of_another_layer(admin_client: Browser, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}, "other": {"BACKEND": MEMORY}}

    other = channel_layers["other"]
    letter = dead_letter(other)
    assert letter not in admin_client.get(LIST).content.decode()
    listed = admin_client.get(f"{LIST}?layer=other").content.decode()
    assert f"{LIST}{letter}/change/?layer=other" in listed
    page = admin_client.get(f"{LIST}{letter}/change/?layer=other").content.decode()
    assert f'action="{LIST}?layer=other"' in page
    question = act(admin_client, "drop", letter, confirm=False, layer="?layer=other")
    assert f'action="{LIST}?layer=other"' in question.content.decode()
    answer = act(admin_client, "drop", letter, layer="?layer=other")
    assert answer.redirect_chain == [(f"{LIST}?layer=other", 302)]  # type: ignore[attr-defined]
    assert ids(other) == []
    assert json.dumps(logged()) == json.dumps([("admin", DELETION, letter)])


def test_letters_of_several_shards(member: Member, settings: Settings) -> None:
    """Their ids begin with the shard, in addresses and in the log too."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY, "CONFIG": {"shards": 2}}}
    layer: Any = channel_layers["default"]
    kept, dropped = dead_letter(layer), dead_letter(layer)
    assert ":" in dropped
    client = member(*ALL)
    for path in paths(dropped):
        assert dropped in client.get(path).content.decode()
    act(client, "drop", dropped)
    assert ids(layer) == [kept]
    act(client, "retry", kept)
    assert ids(layer) == []
    assert [what for _, _, what in logged()] == [dropped, kept]


@pytest.mark.parametrize("letter", ["1795260708647-0", "b:1795260708647-0"])
def test_the_time_of_a_letter_is_in_its_id(letter: str, memory_layer: InMemoryChannelLayer) -> None:
    dead_letter(memory_layer)
    found = memory_layer.admin.dead_letters()[0]._replace(id=letter)
    at = letters.shown(found, "").at
    assert at is not None
    assert at.timestamp() == 1795260708.647
