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
