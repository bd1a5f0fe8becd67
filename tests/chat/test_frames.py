import json
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from chat.frames import (
    KINDS,
    LARGEST_ID,
    Delete,
    Edit,
    Frame,
    FrameError,
    Said,
    Typing,
    WhoIsHere,
    parse,
)


def frame(**fields: Any) -> str:
    return json.dumps({"handle": "ann", "message": "hi"} | fields)


def refusal(text: str | None) -> FrameError:
    with pytest.raises(FrameError) as caught:
        parse(text)
    return caught.value


def test_the_format_of_2016() -> None:
    assert parse('{"handle": "ann", "message": "hi"}') == Said("ann", "hi", None)


def test_type_and_nonce_are_optional() -> None:
    assert parse(frame(type="message", nonce="n" * 64)) == Said("ann", "hi", "n" * 64)


def test_handle_and_message_are_trimmed_and_newlines_kept() -> None:
    assert parse(frame(handle=" ann\t", message="\n a\nb \n")) == Said("ann", "a\nb")


def test_the_limits_count_characters_after_trimming() -> None:
    said = parse(frame(handle=" " + "🎉" * 40 + " ", message=" " + "ß" * 4000 + " "))
    assert isinstance(said, Said)
    assert (len(said.handle), len(said.message)) == (40, 4000)


@pytest.mark.parametrize("handle", ["👩\u200d💻", "مريم", "O'Neil <b>", "Zoe\u0308"])
def test_handles_in_any_script(handle: str) -> None:
    assert parse(frame(handle=handle)) == Said(handle, "hi")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hi",
        "{",
        "{'handle': 'ann'}",
        '{"handle": "ann", "message": NaN}',
        '{"handle": "ann", "message": Infinity}',
        '{"handle": "ann", "message": ' + "1" * 5000 + "}",
        "[" * 30000,
        '{"a":' * 10000,
        "\ufeff{}",
    ],
)
def test_invalid_json(text: str) -> None:
    error = refusal(text)
    assert error.code == "bad_json"
    assert "Expected JSON" in error.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "binary"),
        ("[]", "an array"),
        ('"text"', "text"),
        ("1", "a number"),
        ("true", "true or false"),
        ("null", "null"),
        ("{}", '"handle" is missing'),
        ('{"handle": "ann"}', '"message" is missing'),
        (frame(handle=1), "a number"),
        (frame(handle=None), "null"),
        (frame(message=["hi"]), "an array"),
        (frame(message={"a": 1}), "an object"),
        (frame(message=True), "true or false"),
        (frame(handle=""), "handle is empty"),
        (frame(handle=" \u200b "), "handle is empty"),
        (frame(handle="a\nb"), "control"),
        (frame(message=" \n "), "message is empty"),
        (frame(message="\u3164\u2800\ufffc"), "message is empty"),
        (frame(message="a\0b"), "NUL"),
        (frame(handle="\0"), "NUL"),
        (frame(message="\ud800"), "surrogate"),
        (frame(handle="a\udfff"), "surrogate"),
        (frame(colour="red"), '"colour" is unknown'),
        (frame(**{"\ud800" * 50: 1}), "is unknown"),
        (frame(type="dance"), '"dance" is unknown'),
        (frame(type=7), "a number is unknown"),
        (frame(type=[]), "an array is unknown"),
        (frame(nonce=7), "a number"),
        (frame(nonce=None), "null"),
        (frame(nonce=""), "nonce is empty"),
        (frame(nonce="\0"), "NUL"),
        (frame(nonce="\ud800"), "surrogate"),
    ],
)
def test_invalid_messages(text: str | None, said: str) -> None:
    error = refusal(text)
    assert error.code == "bad_message"
    assert said in error.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (frame(handle="a" * 41), "up to 40 characters, this has 41"),
        (frame(message="a" * 4001), "up to 4000 characters, this has 4001"),
        (frame(nonce="n" * 65), "up to 64 characters, this has 65"),
        ("x" * 65537, "up to 65536 bytes, this has 65537"),
        ("ß" * 32769, "up to 65536 bytes, this has 65538"),
    ],
)
def test_values_above_their_limit(text: str, said: str) -> None:
    error = refusal(text)
    assert error.code == "too_long"
    assert said in error.detail


def test_the_limits_are_settings(settings: Settings) -> None:
    settings.CHAT_HANDLE_LENGTH = settings.CHAT_MESSAGE_LENGTH = 1
    assert refusal(frame(handle="ab", message="h")).code == "too_long"
    assert refusal(frame(handle="a", message="hi")).code == "too_long"
    settings.CHAT_FRAME_SIZE = 10
    assert "10 bytes" in refusal(frame()).detail


def test_an_error_carries_a_valid_nonce() -> None:
    with_nonce, without = refusal(frame(message="", nonce="n1")), refusal(frame(message=""))
    assert json.loads(with_nonce.frame()) == {
        "type": "error",
        "code": "bad_message",
        "detail": with_nonce.detail,
        "nonce": "n1",
    }
    assert "nonce" not in json.loads(without.frame())


READ: list[tuple[dict[str, Any], Frame]] = [
    ({"type": "edit", "id": 7, "message": " a\nb "}, Edit(7, "a\nb")),
    ({"type": "edit", "id": LARGEST_ID, "message": "x", "nonce": "n"}, Edit(LARGEST_ID, "x", "n")),
    ({"type": "delete", "id": 7}, Delete(7)),
    ({"type": "delete", "id": 7, "nonce": "n"}, Delete(7, "n")),
    ({"type": "typing", "handle": " ann "}, Typing("ann")),
    ({"type": "typing", "handle": "\u200b"}, Typing("")),
    ({"type": "presence"}, WhoIsHere()),
    ({"type": "presence", "handle": ""}, WhoIsHere()),
    ({"type": "presence", "handle": "ann"}, WhoIsHere("ann")),
]


@pytest.mark.parametrize(("fields", "expected"), READ)
def test_other_types_of_frames(fields: dict[str, Any], expected: Frame) -> None:
    assert parse(json.dumps(fields)) == expected


def test_each_type_is_tested_above() -> None:
    assert set(KINDS) == {"message"} | {fields["type"] for fields, _ in READ}


@pytest.mark.parametrize(
    "wrong", [None, "7", 7.0, 1e300, True, 0, -1, LARGEST_ID + 1, [], {}, "x" * 5000]
)
@pytest.mark.parametrize("kind", ["edit", "delete"])
def test_invalid_ids(kind: str, wrong: Any) -> None:
    more = {"message": "hi"} if kind == "edit" else {}
    error = refusal(json.dumps({"type": kind, "id": wrong, "nonce": "n1", **more}))
    assert (error.code, error.nonce, error.id) == ("bad_message", "n1", None)
    assert "id of a message" in error.detail
    assert len(error.detail) < 200


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "edit", "message": "hi"}, '"id" is missing'),
        ({"type": "edit", "id": 7}, '"message" is missing; send {"type": "edit"'),
        ({"type": "edit", "id": 7, "message": ""}, "message is empty"),
        ({"type": "edit", "id": 7, "message": "\0"}, "NUL"),
        ({"type": "edit", "id": 7, "message": "hi", "handle": "x"}, '"handle" is unknown'),
        ({"type": "delete"}, '"id" is missing'),
        ({"type": "delete", "id": 7, "message": "x"}, '"message" is unknown'),
        ({"type": "typing"}, '"handle" is missing'),
        ({"type": "typing", "handle": 7}, "a number"),
        ({"type": "typing", "handle": "a\nb"}, "control"),
        ({"type": "typing", "handle": "\n\u200b\n\u200b"}, "control"),
        ({"type": "typing", "handle": "\ud800"}, "surrogate"),
        ({"type": "typing", "handle": "x", "message": "x"}, '"message" is unknown'),
        ({"type": "presence", "handle": None}, "null"),
        ({"type": "presence", "id": 7}, '"id" is unknown'),
        ({"type": "Presence"}, '"Presence" is unknown'),
        ({"type": None}, "null is unknown"),
        ({"type": {}}, "an object is unknown"),
    ],
)
def test_invalid_frames_of_other_types(fields: dict[str, Any], said: str) -> None:
    error = refusal(json.dumps(fields))
    assert error.code == "bad_message"
    assert said in error.detail
    assert error.id == fields.get("id")


def test_values_above_their_limit_in_other_types() -> None:
    for fields in (
        {"type": "edit", "id": 7, "message": "x" * 4001},
        {"type": "typing", "handle": "x" * 41},
        {"type": "presence", "handle": "x" * 41},
    ):
        assert refusal(json.dumps(fields)).code == "too_long"


def test_an_error_carries_a_valid_id() -> None:
    error = refusal('{"type": "edit", "id": 7}')
    assert json.loads(error.frame())["id"] == 7
    about = FrameError("forbidden", "No.").about(Edit(8, "x", "n1"))
    assert json.loads(about.frame()) == {
        "type": "error",
        "code": "forbidden",
        "detail": "No.",
        "nonce": "n1",
        "id": 8,
    }


def test_an_error_can_always_be_sent() -> None:
    refusal(frame(**{"\ud800\0<script>": 1})).frame().encode("ascii")
