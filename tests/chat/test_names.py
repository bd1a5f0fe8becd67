import re

import pytest

from chat import names


@pytest.mark.parametrize("name", ["lobby", "Lobby", "a", "_", "-", "a" * 50, "under_score-2"])
def test_a_name_that_is_a_valid_label_is_its_label(name: str) -> None:
    assert names.label_of(names.clean(name)) == name


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("Café am Eck", "Cafe-am-Eck-"),
        ("my room", "my-room-"),
        ("日本語の部屋", ""),
        ("🎉", ""),
        ("a/b?c#d", "a-b-c-d-"),
        ("a" * 51, "a" * 39 + "-"),
        ("admin", "admin-"),
        ("NEW", "NEW-"),
    ],
)
def test_any_other_name_gets_a_label_with_a_hash(name: str, start: str) -> None:
    label = names.label_of(names.clean(name))
    assert re.fullmatch(re.escape(start) + "[a-z2-7]{10}", label)
    assert names.is_label(label)


def test_spellings_of_a_name_share_a_label() -> None:
    composed, decomposed = "Café  am Eck", " Cafe\u0301 am\tEck "
    assert names.clean(composed) == names.clean(decomposed) == "Café am Eck"


def test_names_with_lookalike_labels_do_not_share_one() -> None:
    typed = ["my room", "my-room", "my  room!", "My room", "my_room", "mý room", "部屋", "部"]
    assert len({names.label_of(names.clean(name)) for name in typed}) == len(typed)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "Type a name"),
        ("  \t ", "Type a name"),
        ("\u200b\u2060", "Type a name"),
        ("a\x00b", "control"),
        ("a\x07b", "control"),
        ("\ud800", "control"),
        ("x" * 101, "100 characters; this has 101"),
    ],
)
def test_an_invalid_room_name_is_refused_with_the_reason(typed: str, reason: str) -> None:
    with pytest.raises(names.BadName, match=reason):
        names.clean(typed)


@pytest.mark.parametrize("text", ["", "a" * 51, "a b", "é", "a\n", "new", "Admin", "static", "a.b"])
def test_invalid_labels(text: str) -> None:
    assert not names.is_label(text)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/chat/lobby/", "lobby"),
        ("/chat/lobby", None),
        ("/chat/lobby/\n", None),
        ("/chat//", None),
        ("/chat/admin/", None),
        ("/lobby/", None),
        ("/ws/chat/lobby/", None),
        ("/chat/lobby/more/", None),
        ("/chat/" + "a" * 51 + "/", None),
        ("/chat/caf\u00e9/", None),
    ],
)
def test_the_label_in_the_path_of_a_socket(path: str, label: str | None) -> None:
    assert names.label_in(path) == label


def test_a_random_label_has_two_words_and_a_number() -> None:
    labels = {names.random_label() for _ in range(200)}
    assert len(labels) > 190
    assert all(re.fullmatch("[a-z]+-[a-z]+-[0-9]+", label) for label in labels)
    assert all(names.is_label(label) for label in labels)
