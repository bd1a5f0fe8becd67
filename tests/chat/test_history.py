"""The history in bytes: answers are small, and clients that page through it miss nothing."""

import json
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from chat import changes, guests
from chat.frames import Edit, Said
from chat.models import Message, Room

EMOJI = "\U0001f600" * 4000
QUOTES = "\"'<&" * 1000
CONTROLS = "\x01" * 4000
SIZE = 256 * 1024
#: The size of a message without its text.
AROUND = 1000


@pytest.fixture
def fill(db: None, settings: Settings) -> Any:
    settings.CHAT_RATE_LIMIT = None
    Room.objects.at("lobby")

    def fill(count: int, text: str = EMOJI) -> list[int]:
        said = [Said("ann", f"{text[:-4]}{number:04}") for number in range(count)]
        stored = [Message.objects.record("lobby", one, "guest:a")[0] for one in said]
        return [message.pk for message in stored]

    return fill


def ask(client: Client, query: str) -> tuple[dict[str, Any], int]:
    answer = client.get(f"/lobby/messages/?{query}")
    assert answer.status_code == 200
    return json.loads(answer.content), len(answer.content)


@pytest.mark.parametrize("text", [EMOJI, QUOTES, CONTROLS, "x" * 4000])
def test_answers_are_small_whatever_was_said(client: Client, fill: Any, text: str) -> None:
    fill(210, text)
    for query in ("", "after=0", "after=0&change=0"):
        page, size = ask(client, query)
        assert page["more"] is True
        assert SIZE - 6 * len(text) - AROUND < size < SIZE + AROUND or len(page["messages"]) >= 50
    assert len(client.get("/lobby/").content) < SIZE + 50 * AROUND
    assert " data-more>" in client.get("/lobby/").content.decode()


def test_letters_are_not_escaped(client: Client, fill: Any) -> None:
    fill(1)
    _, size = ask(client, "")
    assert size < 4 * len(EMOJI) + AROUND
    assert len(Message.objects.get().frame().encode()) < 4 * len(EMOJI) + AROUND


def test_paging_forward_returns_all_newer_messages_in_order(client: Client, fill: Any) -> None:
    ids = fill(60)
    found: list[int] = []
    after, more, pages = 0, True, 0
    while more:
        page, size = ask(client, f"after={after}")
        assert size < SIZE + AROUND
        found += [message["id"] for message in page["messages"]]
        after, more, pages = found[-1], page["more"], pages + 1
    assert found == ids
    assert pages == 4  # 16 KB each


def test_paging_backward_returns_all_older_messages_in_order(client: Client, fill: Any) -> None:
    ids = fill(60)
    found: list[int] = []
    before, more = 10**9, True
    while more:
        page, size = ask(client, f"before={before}")
        assert size < SIZE + AROUND
        found = [message["id"] for message in page["messages"]] + found
        before, more = found[0], page["more"]
    assert found == ids


def test_messages_and_changes_share_an_answer(client: Client, fill: Any) -> None:
    ids = fill(40)
    for pk in ids[:20]:
        changes.edit("lobby", Edit(pk, EMOJI), guests.Speaker("guest:a"))
    newer: list[int] = []
    changed: list[int] = []
    after, change, more, asked = ids[19], 0, True, []
    while more:
        page, size = ask(client, f"after={after}&change={change}")
        assert size < SIZE + AROUND
        newer += [message["id"] for message in page["messages"]]
        changed += [message["id"] for message in page["changed"]]
        asked.append((after, change))
        after, change, more = (newer or [after])[-1], page["change"], page["more"]
    assert (newer, changed, change) == (ids[20:], ids[:20], 20)
    assert all(one != other for one, other in pairwise(asked)), "each answer continues"


def test_a_message_larger_than_an_answer_comes_alone(
    client: Client, fill: Any, settings: Settings
) -> None:
    settings.CHAT_HISTORY_SIZE = 100
    ids = fill(3)
    page, _ = ask(client, "after=0&change=0")
    assert ([message["id"] for message in page["messages"]], page["more"]) == ([ids[0]], True)
    page, _ = ask(client, "")
    assert ([message["id"] for message in page["messages"]], page["more"]) == ([ids[2]], True)
    assert client.get("/lobby/").content.decode().count("data-id=") == 1
