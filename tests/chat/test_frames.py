import json
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from chat.frames import FrameError, Said, parse


def frame(**fields: Any) -> str:
    return json.dumps({"handle": "ann", "message": "hi"} | fields)


def refusal(text: str | None) -> FrameError:
    with pytest.raises(FrameError) as caught:
        parse(text)
    return caught.value


def test_the_form_of_2016() -> None:
    assert parse('{"handle": "ann", "message": "hi"}') == Said("ann", "hi", None)


def test_a_type_and_a_nonce_may_be_given() -> None:
    assert parse(frame(type="message", nonce="n" * 64)) == Said("ann", "hi", "n" * 64)


def test_handle_and_message_are_trimmed_and_lines_are_kept() -> None:
    assert parse(frame(handle=" ann\t", message="\n a\nb \n")) == Said("ann", "a\nb")


def test_the_limits_count_characters_after_trimming() -> None:
    said = parse(frame(handle=" " + "🎉" * 40 + " ", message=" " + "ß" * 4000 + " "))
    assert (len(said.handle), len(said.message)) == (40, 4000)


@pytest.mark.parametrize("handle", ["👩\u200d💻", "مريم", "O'Neil <b>", "\u202eevil"])
def test_handles_in_any_script(handle: str) -> None:
    assert parse(frame(handle=handle)).handle == handle


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
def test_what_is_not_json(text: str) -> None:
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
def test_what_is_no_message(text: str | None, said: str) -> None:
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
def test_what_is_too_long(text: str, said: str) -> None:
    error = refusal(text)
    assert error.code == "too_long"
    assert said in error.detail


def test_the_limits_are_settings(settings: Settings) -> None:
    settings.CHAT_HANDLE_LENGTH = settings.CHAT_MESSAGE_LENGTH = 1
    assert refusal(frame(handle="ab", message="h")).code == "too_long"
    assert refusal(frame(handle="a", message="hi")).code == "too_long"
    settings.CHAT_FRAME_SIZE = 10
    assert "10 bytes" in refusal(frame()).detail


def test_an_error_carries_the_nonce_if_there_was_a_good_one() -> None:
    with_nonce, without = refusal(frame(message="", nonce="n1")), refusal(frame(message=""))
    assert json.loads(with_nonce.frame()) == {
        "type": "error",
        "code": "bad_message",
        "detail": with_nonce.detail,
        "nonce": "n1",
    }
    assert "nonce" not in json.loads(without.frame())


def test_an_error_can_always_be_sent() -> None:
    refusal(frame(**{"\ud800\0<script>": 1})).frame().encode("ascii")
