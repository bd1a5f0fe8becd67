from typing import Any

import pytest

from channels_workers.asyncapi.addresses import Address, address_of, choices, named_groups


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["^/$"], Address("/")),
        (["^/chat/$"], Address("/chat/")),
        (["^/chat/"], Address("/chat/", is_whole=False)),
        ([r"^/a\.b/c\Z"], Address("/a.b/c")),
        ([r"^/cost\$"], Address("/cost$", is_whole=False)),
        (
            ["^/chat/(?P<label>[a-z0-9-]{1,50})/$"],
            Address("/chat/{label}/", {"label": "[a-z0-9-]{1,50}"}),
        ),
        (
            ["^/(?P<a>x|y)/", r"^(?P<b>\d+)$"],
            Address("/{a}/{b}", {"a": "x|y", "b": r"\d+"}),
        ),
        (["^/x(?:/(?P<y>[0-9]+))?/$"], Address("/x/{y}/", {"y": "[0-9]+"})),
        (["^/x(/y)?/", "^(?P<n>.)$"], Address("/x/{n}", {"n": "."})),
        (["^/100%/$"], Address("/100%/")),
        (["^/ü/$"], Address("/ü/")),
        (["^(?:/a|/b)/$"], Address("")),
        (["(?i)^/a/(?P<b>.*)$"], Address("", {"b": ".*"})),
        (["^a/$"], Address("")),
        ([r"^/(?P<a>[)\]]+(?:b|\()c[^]]x)/$"], Address("/{a}/", {"a": r"[)\]]+(?:b|\()c[^]]x"})),
    ],
)
def test_the_address_of_patterns(patterns: list[str], expected: Address) -> None:
    found = address_of(patterns)
    assert (found.path, found.parameters) == (expected.path, expected.parameters)
    assert not found.path or found.is_whole == expected.is_whole


def test_named_groups_stand_in_each_other() -> None:
    pattern = "^/(?P<a>x(?P<b>[(]y)z)$"
    assert list(named_groups(pattern)) == [("a", "x(?P<b>[(]y)z"), ("b", "[(]y")]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("daily|weekly", ["daily", "weekly"]),
        ("daily", []),
        ("[a-z]|b", []),
        ("a|b|c-d", ["a", "b", "c-d"]),
    ],
)
def test_a_choice_of_words(pattern: str, words: list[Any]) -> None:
    assert choices(pattern) == words
