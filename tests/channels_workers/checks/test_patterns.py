"""Python's parts of regular expressions: they are there, and the checks do without them."""

import re

import pytest

from channels_workers.checks import patterns
from channels_workers.checks.patterns import cannot_begin_with, literal_start

ROOM = re.compile("room/(?P<name>[a-z]+)")


def test_python_has_the_parts() -> None:
    assert patterns.HAS_PARTS
    assert cannot_begin_with("/", ROOM)
    assert literal_start(ROOM) == ("room/", False)


def test_without_the_parts_nothing_is_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "HAS_PARTS", False)
    assert not cannot_begin_with("/", ROOM)
    assert literal_start(ROOM) == ("", False)


@pytest.mark.parametrize(
    ("pattern", "cannot"),
    [
        ("", False),
        ("/room", False),
        ("room", True),
        ("^room", True),
        (r"\Aroom", True),
        (".room", False),
        ("[^/]room", True),
        ("[a-z/]", False),
        ("(room|hall)/", True),
        ("(?:/room|hall)", False),
        ("(?:|room)/", False),
        ("(?:|room)x", True),
        ("[a-z]+/", True),
        ("[a-z]*/", False),
        ("[a-z]*x", True),
        ("[a-z]*", False),
        ("(?:a*b?)", False),
        ("/?room", False),
        ("a??x", True),
        ("a{2,3}", True),
        ("(?=room)", False),
        ("(?i:ROOM)", True),
    ],
)
def test_what_no_match_begins_with(pattern: str, cannot: bool) -> None:
    assert cannot_begin_with("/", re.compile(pattern)) is cannot


@pytest.mark.parametrize(
    ("pattern", "start", "is_all"),
    [
        ("", "", True),
        ("^/room", "/room", True),
        (r"\A/room$", "/room", False),
        ("/room/.*", "/room/", False),
        ("^/(a|b)", "/", False),
        ("$room", "", False),
    ],
)
def test_what_each_match_begins_with(pattern: str, start: str, is_all: bool) -> None:
    assert literal_start(re.compile(pattern)) == (start, is_all)


def test_flags_make_it_unclear() -> None:
    assert literal_start(re.compile("room", re.IGNORECASE)) == ("", False)
