"""Selection by name."""

from dataclasses import dataclass

import pytest

from labs.harness.registry import choose, listing, require_known


@dataclass(frozen=True)
class Thing:
    name: str
    description: str = ""


THINGS = (Thing("one", "the first"), Thing("other", "the second"))


def test_everything_is_selected_unless_some_are_named() -> None:
    assert choose(THINGS, [], "a thing") == [*THINGS]
    assert choose(THINGS, ["other", "one"], "a thing") == [*THINGS]
    assert choose(THINGS, ["other"], "a thing") == [THINGS[1]]


def test_an_unknown_name_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match="Expected a thing, got 'third'; there are: one, other"):
        choose(THINGS, ["one", "third"], "a thing")


def test_names_may_contain_commas() -> None:
    with pytest.raises(ValueError, match="there are: bare, daphne; chat"):
        require_known(["x"], ["bare, daphne", "chat"], "a room")


def test_a_listing_shows_names_and_descriptions() -> None:
    assert listing(THINGS) == "one    the first\nother  the second"
    assert listing(()) == ""
