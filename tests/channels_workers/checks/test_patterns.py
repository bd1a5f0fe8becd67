import re

import pytest

from channels_workers.checks.patterns import cannot_begin_with, literal_start


@pytest.mark.parametrize(
    "pattern",
    [
        r"room/",
        r"^room/",
        r"\Aroom",
        r"^(?P<name>\w+)/$",
        r"^[a-z]",
        r"^[^/]+/",
        r"^\d+",
        r"^(room|hall)/",
        r"^(?:a?b|c)",
        r"^a*room/",
        r"^(?P<name>[a-z]+)?room/",
        r"^\.",
        r"(?x) ^ room / # with a comment",
    ],
)
def test_it_cannot_begin_with_a_slash(pattern: str) -> None:
    assert cannot_begin_with("/", re.compile(pattern))
    assert not re.compile(pattern).match("/room/")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^",
        "^$",
        r"^/room/",
        r"/?room",
        r".*room",
        r"^(?P<name>.*)$",
        r"^[^a]",
        r"^[/a]",
        r"^\W",
        r"^(room|/hall)/",
        r"^(room|)/",
        r"^(a*|b)/",
        r"^(?:room)?/",
        r"^(?=/)[/a]",
        r"(a)?(?(1)b|/)",
    ],
)
def test_it_may_begin_with_a_slash(pattern: str) -> None:
    assert not cannot_begin_with("/", re.compile(pattern))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (re.compile(""), ("", True)),
        (re.compile("^/chat/"), ("/chat/", True)),
        (re.compile(r"\A/a\.b"), ("/a.b", True)),
        (re.compile("^/chat/$"), ("/chat/", False)),
        (re.compile(r"/chat/\d"), ("/chat/", False)),
        (re.compile("/a?"), ("/", False)),
        (re.compile("$"), ("", False)),
        (re.compile("/chat", re.IGNORECASE), ("", False)),
    ],
)
def test_the_literal_start(pattern: re.Pattern[str], expected: tuple[str, bool]) -> None:
    assert literal_start(pattern) == expected
