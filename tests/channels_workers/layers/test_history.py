"""The option `history`, positions, and what members have received, without a layer."""

import logging
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels_workers.layers import positions
from channels_workers.layers.history import (
    OLDEST,
    REMEMBERED,
    Limits,
    Position,
    make_histories,
)
from channels_workers.layers.positions import MemberPositions, stamp

EPOCH, OTHER = "0123456789abcdef", "fedcba9876543210"


def test_the_first_glob_counts() -> None:
    histories = make_histories(
        {"room-1": {"messages": 1}, "room-*": {}, "*": {"seconds": 5}}, 10**8
    )
    assert histories is not None
    assert histories.limits_of("room-1") == Limits(1, 1_000_000, 3600)
    assert histories.limits_of("room-2") == Limits(100, 1_000_000, 3600)
    assert histories.limits_of("hall") == Limits(100, 1_000_000, 5)
    assert histories.life == REMEMBERED


def test_a_group_without_a_glob_has_none() -> None:
    histories = make_histories({"room-*": {"seconds": 5 * 24 * 3600}}, 1000)
    assert histories is not None
    assert histories.limits_of("hall") is None
    assert histories.limits_of("room-1") == Limits(100, 500, 5 * 24 * 3600)
    assert histories.life == 5 * 24 * 3600
    assert make_histories({}, 1000) is make_histories(None, 1000) is None


@pytest.mark.parametrize(
    ("option", "size", "text"),
    [
        (["room-*"], 1000, "history in the CONFIG .* a dict of globs, not"),
        ({"*": 5}, 1000, r"history\['\*'\] .* a dict with messages, bytes and seconds, not 5"),
        ({"*": {"size": 5}}, 1000, "a dict with messages, bytes and seconds"),
        ({"*": {"messages": 0}}, 1000, r"\['messages'\] .* above 0 and up to 10,000, not 0"),
        ({"*": {"messages": True}}, 1000, r"\['messages'\]"),
        ({"*": {"messages": "5"}}, 1000, r"\['messages'\]"),
        ({"*": {"bytes": 501}}, 1000, r"\['bytes'\] .* up to 500, not 501"),
        ({"*": {"seconds": 10**6}}, 1000, r"\['seconds'\] .* up to 604,800"),
        ({"*": {}}, 0, "history_bytes"),
    ],
)
def test_a_wrong_option_is_refused(option: Any, size: int, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=text):
        make_histories(option, size)


def test_the_text_of_a_position() -> None:
    position = Position(EPOCH, 17)
    assert str(position) == f"{EPOCH}:17"
    assert Position.parse(str(position)) == position
    for text in ("", str(OLDEST), f"{EPOCH}:", f"{EPOCH}:x", f"{EPOCH}:1\n", f"{EPOCH}:{'1' * 16}"):
        assert Position.parse(text) is None, text


def test_another_epoch_begins_for_all_members() -> None:
    """Redis was emptied: the members got everything of the new epoch from its first message on."""
    found, members = MemberPositions(), ["ann", "bob"]
    found.send(Position(EPOCH, 7), members)
    found.send(Position(OTHER, 3), members)
    found.resume("ann", Position(OTHER, 4), 0, members)
    assert [found.is_new("ann", Position(OTHER, offset)) for offset in (1, 2, 3, 4)] == [
        *(True, True),
        *(False, False),
    ]
    assert not found.is_new("ann", Position(EPOCH, 1))


def test_a_join_in_another_epoch_before_its_first_live_message() -> None:
    found = MemberPositions()
    found.send(Position(EPOCH, 7), ["ann"])
    found.resume("bob", Position(OTHER, 4), 2, ["ann"])
    assert found.is_new("bob", Position(OTHER, 3))
    found.resume("ann", Position(OTHER, 4), 0, ["ann", "bob"])
    assert found.is_new("ann", Position(OTHER, 4))
    found.leave("ann")
    assert not found.is_new("ann", Position(OTHER, 4))


def test_a_position_that_finds_no_place_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "_logged", set())
    for text in ("[]", "plain"):
        content = {"text": text, "position_key": "at"}
        stamp(content, Position(EPOCH, 1))
        assert content == {"text": text, "position_key": "at"}
    content = {"text": "{}", "position_key": 'a"b'}
    stamp(content, Position(EPOCH, 1))
    assert content["text"] == f'{{"a\\"b":"{EPOCH}:1"}}'
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.event for record in lines] == ["bad_reply"]  # type: ignore[attr-defined]
