import dataclasses
import datetime as dt
import functools
import json
import operator
import resource
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, Union

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from channels_workers.schemas import Invalid, Reader, plain, read, read_text, write
from channels_workers.schemas.errors import ERRORS, FIELDS, KEY, MESSAGE, PATH
from channels_workers.schemas.reading import LEVELS, MOST_VALUES
from tests.channels_workers.schemas.kinds import (
    EVERYTHING,
    Colour,
    Everything,
    Model,
    Move,
    Node,
    Person,
    Point,
    Say,
)


def wrong(kind: Any, value: Any) -> dict[str, str]:
    """The wrong fields of *value*, with their messages."""
    with pytest.raises(Invalid) as caught:
        read(kind, value)
    return {each["field"]: each["message"] for each in caught.value.fields}


def test_it_reads_each_type_of_json_and_more() -> None:
    found = read(Everything, EVERYTHING)
    assert found.colour is Colour.RED
    assert found.points == [Point(1.0, 2.5)]
    assert found.by_name == {"a": Point(0.0, 0.0)}
    assert found.pair == (1, "b")
    assert found.when == dt.datetime(2026, 11, 30, 8, 0, 0, 500_000, tzinfo=dt.UTC)
    assert found.day == dt.date(2026, 11, 30)
    assert found.key == uuid.UUID("0c9b54e1-a2f7-4d0e-8a3b-0123456789ab")
    assert found.price == Decimal("12.50")


def test_what_it_wrote_it_reads() -> None:
    found = read(Everything, EVERYTHING)
    assert read_text(Everything, write(found)) == found
    assert read(Everything, plain(found)) == found


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"flag": 1}, "flag"),
        ({"count": "3"}, "count"),
        ({"count": 3.5}, "count"),
        ({"count": True}, "count"),
        ({"share": "1"}, "share"),
        ({"name": None}, "name"),
        ({"colour": "green"}, "colour"),
        ({"size": "7"}, "size"),
        ({"perhaps": {"x": 1}}, "perhaps.y"),
        ({"points": {}}, "points"),
        ({"points": [{"x": 1, "y": 2}, {"x": 1, "y": "2"}]}, "points[1].y"),
        ({"points": [[1, 2]]}, "points[0]"),
        ({"by_name": {"a b": {"x": 0, "y": "0"}}}, "by_name.a b.y"),
        ({"pair": [1]}, "pair[1]"),
        ({"pair": [1, "b", 2]}, "pair"),
        ({"many": [1, "2"]}, "many[1]"),
        ({"when": "yesterday"}, "when"),
        ({"when": 1_700_000_000}, "when"),
        ({"key": "0c9b"}, "key"),
        ({"price": "a lot"}, "price"),
        ({"tags": ["a", "B"]}, "tags[1]"),
        ({"tags": ["a", "b", "c", "d"]}, "tags"),
        ({"more": 1}, "more"),
    ],
)
def test_it_names_the_wrong_field(change: dict[str, Any], field: str) -> None:
    assert list(wrong(Everything, {**EVERYTHING, **change})) == [field]


def test_it_names_all_wrong_fields_and_those_that_are_missing() -> None:
    assert wrong(Say, {"text": "too long", "to": 5, "colour": "red"}) == {
        "text": "String should have at most 5 characters",
        "to": "Input should be a valid string",
        "colour": "Unknown field",
    }
    assert wrong(Say, {}) == {"text": "Field required"}
    assert wrong(Model, {}) == {"label": "Field required"}
    assert wrong(Person, {"more": 1}) == {"who": "Field required", "more": "Unknown field"}


def test_it_says_it_in_a_sentence() -> None:
    with pytest.raises(Invalid, match=r"^text: Field required$"):
        read(Say, {})
    with pytest.raises(Invalid, match=r"^text: Field required \(and 1 more\)$"):
        read(Say, {"a": 1})
    with pytest.raises(Invalid, match=r"^Input should be an object$"):
        read(Say, [])


@pytest.mark.parametrize("value", [None, 1, "say", [], True])
def test_the_whole_value_has_no_field(value: Any) -> None:
    for kind in (Say, Model, Person):
        assert list(wrong(kind, value)) == [""]
    with pytest.raises(Invalid) as caught:
        Reader([Say, Move]).read(value)
    assert caught.value.fields == [{"field": "", "message": "Input should be an object"}]


def test_several_types_are_told_apart_by_a_key() -> None:
    reader = Reader([Say, Move])
    assert reader.read({"type": "say", "text": "hi"}) == Say("hi")
    assert reader.read({"type": "shift", "to": {"x": 1, "y": 2}}) == Move("shift", Point(1, 2))
    for value in ({}, {"type": "sing"}, {"type": 1}, {"type": ["say"]}):
        with pytest.raises(Invalid) as caught:
            reader.read(value)
        assert caught.value.fields[0]["field"] == "type"
    assert str(caught.value) == "type: Input should be 'say' or 'move' or 'shift'"
    with pytest.raises(Invalid, match=r"^to\.x: "):
        reader.read({"type": "move", "to": {"x": "1", "y": 2}})


@pytest.mark.parametrize("kind", [Say | Move, Union[Say, Move]])  # noqa: UP007
def test_a_union_is_told_apart_by_its_type(kind: Any) -> None:
    assert wrong(kind, {"type": "say"}) == {"text": "Field required"}
    assert list(wrong(kind, {})) == ["type"]
    assert read(Say | None, None) is None
    assert read(Point | int, 5) == 5


def test_types_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(TypeError, match="Point needs a field 'type'"):
        Reader([Say, Point])
    other = dataclasses.make_dataclass("Other", [("type", Literal["say"])])
    with pytest.raises(TypeError, match="Two types have the type 'say'"):
        Reader([Say, other])
    with pytest.raises(TypeError, match="at least one"):
        Reader([])


def test_unknown_keys_may_be_ignored() -> None:
    assert Reader([Say], extra="ignore").read({"text": "hi", "mood": "good"}) == Say("hi")


def test_the_own_setting_of_a_model_does_not_count() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    assert list(wrong(Open, {"a": 1})) == ["a"]


def test_members_of_unions_are_no_fields() -> None:
    inner = {"type": "node", "value": "1"}
    outer = {"type": "node", "value": 1, "node": {"type": "node", "value": 2, "node": inner}}
    assert list(wrong(Node, outer)) == ["node.node.value"]
    middle = {"type": "node", "value": "2", "node": {"type": "node", "value": 3}}
    assert list(wrong(Node, {"type": "node", "value": 1, "node": middle})) == ["node.value"]
    text = {"type": "text", "text": 5}
    assert list(wrong(Node, {"type": "node", "value": 1, "node": text})) == ["node.text"]
    missing = {"type": "node", "node": {"type": "node", "value": 3}}
    assert list(wrong(Node, {"type": "node", "value": 1, "node": missing})) == ["node.value"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"text": NaN}',
        '{"text": "hi"} x',
        "\x00",
        '{"text": 1e999}',
        '"\\ud800"',
        "9" * 5_000,
    ]
    + [f"{'[' * depth}{']' * depth}" for depth in (300, 5_000, 100_000)]
    + ['{"text": "\ud800"}', '{"text": "\\ud800"}'],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_text(Say, text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, b"x", {"text": object()}])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    assert list(wrong(Any, value)) == [""]


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    assert list(wrong(Any, value)) == [""]


def test_a_decimal_of_a_text_is_exact() -> None:
    digits = "0.10000000000000000000001"
    assert read(Decimal, digits) == read_text(Decimal, f'"{digits}"') == Decimal(digits)


def test_hostile_input_makes_no_long_error() -> None:
    with pytest.raises(Invalid) as caught:
        read(list[int], ["x"] * ERRORS)
    assert len(caught.value.fields) == FIELDS
    with pytest.raises(Invalid) as caught:
        read(list[int], ["x"] * (ERRORS + 1))
    assert caught.value.fields == [{"field": "", "message": "1,001 values are wrong"}]
    name = "k" * 100_000
    [field] = wrong(Say, {"text": "hi", name: 1})
    assert field == "k" * KEY
    deep = dict[str, dict[str, dict[str, int]]]
    [field] = wrong(deep, {name: {name: {name: "x"}}})
    assert len(field) == PATH


def test_values_and_levels_are_bounded() -> None:
    """Each value may be wrong in several ways, so their number bounds the errors."""
    most = MOST_VALUES - 1
    assert read(list[int], [1] * most) == [1] * most
    for value in ([1] * MOST_VALUES, {str(number): 1 for number in range(MOST_VALUES)}):
        assert wrong(Any, value) == {"": "More than 10,000 values"}
    assert len(Reader([list[int]], most_values=20_000).read([1] * 19_999)) == 19_999
    assert read(list[str], ["," * MOST_VALUES, "[" * 100]) == ["," * MOST_VALUES, "[" * 100]
    deep = json.loads("[" * LEVELS + "]" * LEVELS)
    assert read(Any, deep) == deep
    assert wrong(Any, [deep]) == {"": "More than 64 levels of objects and arrays"}
    wide = {"a": [{}] * LEVELS}
    assert read(Any, wide) == wide


def test_hostile_input_takes_little_time_and_memory() -> None:
    fields = [(name, int) for name in "abc"]
    members = [dataclasses.make_dataclass(f"Member{number}", fields) for number in range(5)]
    reader = Reader([list[functools.reduce(operator.or_, members)]])  # type: ignore[misc]
    before = resource.getrusage(resource.RUSAGE_SELF)
    for count in (MOST_VALUES - 1, 80_000):
        with pytest.raises(Invalid):
            reader.read_text(f"[{','.join(['{}'] * count)}]")
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime - before.ru_utime < 3
    assert after.ru_maxrss - before.ru_maxrss < 150 * 1024  # KiB, on Linux


def test_a_long_message_is_cut() -> None:
    reader = Reader([Annotated[str, Field(pattern=f"^{'a' * 1_000}$")]])
    with pytest.raises(Invalid) as caught:
        reader.read("b")
    assert len(caught.value.fields[0]["message"]) == MESSAGE


def test_types_without_a_hash_are_read_too() -> None:
    kind = Annotated[str, Field(json_schema_extra={"a": [1]})]
    assert read(kind, "hi") == "hi"


def test_the_frame_of_an_error() -> None:
    with pytest.raises(Invalid) as caught:
        read(Say, {})
    assert caught.value.frame(nonce="n1") == {
        "type": "error",
        "code": "invalid",
        "message": "text: Field required",
        "fields": [{"field": "text", "message": "Field required"}],
        "nonce": "n1",
    }


def test_a_value_with_a_wrong_field_is_not_written() -> None:
    with pytest.raises(ValueError, match="Expected `str`"):
        write(Say(5))  # type: ignore[arg-type]


def test_other_types_are_written_too() -> None:
    assert write({"who": "ann"}, Person) == '{"who":"ann"}'
    assert write([Point(1, 2)], list[Point]) == '[{"x":1.0,"y":2.0}]'
    assert plain(Model(label="a")) == {"label": "a", "points": []}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyvt", max_size=1), inner),
    max_leaves=5,
)
KEYS = ("type", "text", "to", "by", "value", "node", "x", "y")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), JSON | st.sampled_from(["say", "move", "node"])))
def test_any_json_is_read_or_refused(value: dict[str, Any]) -> None:
    for reader in (Reader([Say, Move, Node]), Reader([Everything])):
        try:
            found = reader.read(value)
        except Invalid as error:
            json.dumps(error.frame()).encode()
        else:
            assert Reader([type(found)]).read(plain(found)) == found
