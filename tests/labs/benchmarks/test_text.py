"""Recognising messages."""

import json

import pytest

from labs.benchmarks.load.text import compose, read
from labs.benchmarks.rooms.frames import frame_of


def test_a_message_is_recognised() -> None:
    assert read("run", frame_of(compose("run", (3, 14), 100))) == (3, 14)


@pytest.mark.parametrize("size", [32, 33, 1000])
def test_its_text_has_the_requested_size(size: int) -> None:
    assert len(json.loads(compose("abcdef", (9_999, 99_999), size))["message"]) == size


@pytest.mark.parametrize(
    "frame",
    [
        compose("other", (1, 1), 32),
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"message": 1}',
        '{"message": "run.1"}',
        '{"message": "run.a.b.c"}',
        '{"type": "error", "code": "too_fast"}',
    ],
)
def test_foreign_frames_are_not_recognised(frame: str) -> None:
    assert read("run", frame) is None
