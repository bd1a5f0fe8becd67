"""The forms in which a token travels."""

import json

import pytest

from channels_workers.bearer import wire

SIZE = 100
START = '{"type": "channels_workers.token", '


@pytest.mark.parametrize(
    "text",
    [
        *("", "hello", "{}", '{"type": "x"}', '{"token": "x", "type": "channels_workers.token"}'),
        '{"message": "{\\"type\\": \\"channels_workers.token\\"}"}',
        "channels_workers.token",
        '["type", "channels_workers.token"]',
        None,
    ],
)
def test_other_frames(text: str | None) -> None:
    assert wire.of_frame(text, SIZE) is None


@pytest.mark.parametrize("indent", [None, 2, 8])
def test_the_white_space_of_a_frame_does_not_matter(indent: int | None) -> None:
    text = json.dumps({"type": wire.FRAME_TYPE, "token": "abc"}, indent=indent)
    assert wire.of_frame(text, SIZE) == "abc"
    assert wire.of_frame(text.replace(": ", ":"), SIZE) == "abc"


@pytest.mark.parametrize(
    "text",
    [
        START + '"token": 5}',
        START + '"token": ["abc"]}',
        START + '"token": "a b"}',
        START + '"token": "caf\\u00e9"}',
        START + '"token": "a\\u0000b"}',
        START + '"token": ""}',
        START + '"token": "' + "a" * 101 + '"}',
        START + '"token": "' + "a" * 1_000_000 + '"}',
        START + '"token": "abc"',
        START + '"deep": ' + "[" * 200,
        START + '"number": ' + "9" * 250 + "}",
    ],
    ids=lambda text: text[35:60],
)
def test_an_invalid_token_is_no_other_frame(text: str) -> None:
    assert wire.of_frame(text, SIZE) == ""


@pytest.mark.parametrize("depth", [1_000, 8_000])
def test_deep_json_and_huge_numbers_are_invalid(depth: int) -> None:
    assert wire.of_frame(START + '"deep": ' + "[" * depth, 8192) == ""
    assert wire.of_frame(START + '"number": ' + "9" * depth + "}", 8192) == ""


def test_headers_with_bearers() -> None:
    headers = [
        (b"authorization", b"Bearer abc"),
        (b"authorization", b"bearer  def "),
        (b"authorization", b"Basic eDp5"),
        (b"x-authorization", b"Bearer ghi"),
        (b"authorization", b"Bearer a b"),
        (b"authorization", b"Bearer caf\xc3\xa9"),
        (b"authorization", b"Bearer " + b"a" * 101),
        (b"authorization", b"Bearer"),
    ]
    assert wire.bearers(headers, SIZE) == ["abc", "def", "", "", "", ""]
