import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.accounts.lookalikes import key_of

ALIKE = {
    "in capitals": "ANN",
    "in full-width letters": "\uff21\uff4e\uff4e",
    "with a space of no width": "a\u200bnn",
    "with joiners": "a\u200dn\u200cn",
    "with a soft hyphen": "an\u00adn",
    "with marks of direction": "\u200eann\u200f",
    "isolated": "\u2067ann\u2069",
    "turned round": "\u202enna",
    "turned round in part": "a\u202enn\u202c",
    "with a variation selector": "ann\ufe0f",
    "with a filler of Hangul": "ann\u3164",
    "with tags": "ann\U000e0061",
    "with white space around": " \u3000ann\u2003",
}


@pytest.mark.parametrize("case", ALIKE)
def test_lookalike_names_have_one_key(case: str) -> None:
    assert key_of(ALIKE[case]) == "ann"


@pytest.mark.parametrize("other", ["an", "anna", "a nn", "änn", "\u0430nn", "nna"])
def test_distinct_names_have_two_keys(other: str) -> None:
    assert key_of(other) != "ann"


def test_a_dot_over_a_dotted_letter_is_ignored() -> None:
    assert key_of("mi\u0307ke") == key_of("m\u0130ke") == key_of("mi\u0307\u0307ke") == "mike"
    assert key_of("mj\u0307") == "mj"
    assert key_of("mo\u0307ke") != "moke"


def test_white_space_inside_is_collapsed() -> None:
    assert key_of("Mary\u00a0 \u2003Ann") == key_of("mary ann") == "mary ann"


def test_combining_characters_are_composed() -> None:
    assert key_of("caf\u00e9") == key_of("cafe\u0301") == key_of("cafe\u200d\u0301")


@pytest.mark.parametrize("name", ["", " ", "\u3164", "\u2800", "\u200b\u2060", "\u115f\u1160"])
def test_an_invisible_name_has_no_key(name: str) -> None:
    assert key_of(name) == ""


@given(st.text())
def test_a_key_is_its_own_key(name: str) -> None:
    assert key_of(key_of(name)) == key_of(name)
