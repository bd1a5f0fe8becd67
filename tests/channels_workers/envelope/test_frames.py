"""The frames of clients, without I/O."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels_workers.envelope.frames import (
    LARGEST_ID,
    Envelope,
    FrameRefused,
    error_frame,
    message_frame,
    parse,
)
from channels_workers.envelope.refused import Refused

KEYS = ("type", "stream", "payload", "id", "nonce", "group", "since")
ANY: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({})
)
TYPES = st.sampled_from(["message", "request", "join", "leave", "ping", "ack", "channels_workers."])


@pytest.mark.parametrize(
    ("frame", "envelope"),
    [
        ({"payload": 1}, Envelope("message", payload=1)),
        ({"stream": "a", "payload": None}, Envelope("message", "a")),
        (
            {"type": "message", "payload": {}, "nonce": "n"},
            Envelope("message", payload={}, nonce="n"),
        ),
        ({"type": "request", "id": 0, "payload": []}, Envelope("request", payload=[], id=0)),
        (
            {"type": "request", "id": LARGEST_ID, "payload": 1, "nonce": 1},
            Envelope("request", payload=1, id=LARGEST_ID),
        ),
        (
            {"type": "join", "id": "~", "group": "大厅", "since": None},
            Envelope("join", id="~", group="大厅"),
        ),
        (
            {"type": "join", "id": 1, "group": "g", "since": ""},
            Envelope("join", id=1, group="g", since=""),
        ),
        ({"type": "leave", "id": 1, "group": "g" * 100}, Envelope("leave", id=1, group="g" * 100)),
        ({"type": "ping", "x": 1}, Envelope("ping")),
        ({"type": "ping", "id": "x" * 64}, Envelope("ping", id="x" * 64)),
    ],
    ids=str,
)
def test_what_is_a_frame(frame: Any, envelope: Envelope) -> None:
    assert parse(json.dumps(frame)) == envelope


@pytest.mark.parametrize(
    ("frame", "code", "field", "answered"),
    [
        ([], "invalid", "", {}),
        ("text", "invalid", "", {}),
        ({}, "invalid", "payload", {}),
        ({"type": 1, "id": 1}, "invalid", "type", {"id": 1}),
        ({"type": None, "payload": 1}, "invalid", "type", {}),
        ({"type": "reply", "id": 1}, "unknown", "type", {"id": 1}),
        ({"nonce": "n"}, "invalid", "payload", {"nonce": "n"}),
        ({"nonce": "a b", "payload": 1}, "invalid", "nonce", {}),
        ({"nonce": 1, "payload": 1}, "invalid", "nonce", {}),
        ({"nonce": "n" * 65, "payload": 1}, "invalid", "nonce", {}),
        ({"nonce": "n", "stream": "", "payload": 1}, "invalid", "stream", {"nonce": "n"}),
        ({"stream": "s" * 101, "payload": 1}, "invalid", "stream", {}),
        ({"stream": ["s"], "payload": 1}, "invalid", "stream", {}),
        ({"type": "request", "payload": 1}, "invalid", "id", {}),
        ({"type": "request", "payload": 1, "id": True}, "invalid", "id", {}),
        ({"type": "request", "payload": 1, "id": 1.0}, "invalid", "id", {}),
        ({"type": "request", "payload": 1, "id": -1}, "invalid", "id", {}),
        ({"type": "request", "payload": 1, "id": LARGEST_ID + 1}, "invalid", "id", {}),
        ({"type": "request", "id": 1}, "invalid", "payload", {"id": 1}),
        ({"type": "join", "id": 1}, "invalid", "group", {"id": 1}),
        ({"type": "join", "id": 1, "group": "g", "since": 5}, "invalid", "since", {"id": 1}),
        ({"type": "leave", "group": "g"}, "invalid", "id", {}),
        ({"type": "ping", "id": "é"}, "invalid", "id", {}),
    ],
    ids=str,
)
def test_what_is_none(frame: Any, code: str, field: str, answered: dict[str, Any]) -> None:
    with pytest.raises(FrameRefused) as caught:
        parse(json.dumps(frame))
    refused = caught.value
    assert (refused.code, refused.answered) == (code, answered)
    assert [each["field"] for each in refused.fields] == [field] * bool(field)


@pytest.mark.parametrize("text", [None, b"{}", "{", "\x00"])
def test_what_is_no_text_of_json(text: Any) -> None:
    with pytest.raises(FrameRefused, match="invalid"):
        parse(text)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes seconds
@given(st.dictionaries(st.sampled_from(KEYS), ANY | TYPES))
def test_any_object_is_read_or_refused(frame: dict[str, Any]) -> None:
    try:
        found = parse(json.dumps(frame))
    except FrameRefused as refused:
        error_frame(refused, refused.answered)["text"].encode()
    else:
        assert (found.id is None) <= (found.type in ("message", "ping"))


def test_only_messages_to_groups_ask_for_a_position() -> None:
    assert message_frame(1) == {"text": '{"type":"message","payload":1}'}
    assert message_frame(1, "s", "g") == {
        "text": '{"type":"message","stream":"s","group":"g","payload":1}',
        "position_key": "at",
    }


@pytest.mark.parametrize(
    ("code", "after"), [("", None), ("Denied", None), ("a" * 41, None), ("a b", None), ("a", -1)]
)
def test_an_error_needs_a_code(code: str, after: float | None) -> None:
    with pytest.raises(ValueError, match="of Refused"):
        Refused(code, after=after)


def test_an_error_of_your_own() -> None:
    refused = Refused("room_full", fields=[{"field": "room", "message": "It is full."}])
    assert refused.content() == {
        "code": "room_full",
        "message": "room_full",
        "fields": [{"field": "room", "message": "It is full."}],
    }
