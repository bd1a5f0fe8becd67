from typing import Annotated, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from channels_workers.schemas import Invalid, Reader, plain, read, schema_of
from tests.channels_workers.schemas.kinds import (
    EVERYTHING,
    Everything,
    Model,
    Move,
    Node,
    Person,
    Point,
    Say,
    Text,
)


def is_valid(value: Any, schema: dict[str, Any]) -> bool:
    validator = jsonschema.Draft7Validator
    validator.check_schema(schema)
    return validator(schema, format_checker=validator.FORMAT_CHECKER).is_valid(value)


def test_the_schema_of_a_dataclass() -> None:
    assert schema_of(Say) == {
        "title": "Say",
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1, "maxLength": 5},
            "type": {"const": "say", "default": "say", "type": "string"},
            "to": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "required": ["text"],
        "additionalProperties": False,
    }


def test_what_is_sent_has_all_fields_and_perhaps_more_in_a_later_release() -> None:
    schema = schema_of(Say, "send")
    assert schema["required"] == ["text", "type", "to"]
    assert "additionalProperties" not in schema


def test_the_schema_of_a_model_has_its_descriptions() -> None:
    schema = schema_of(Model)
    assert schema["description"] == "A model of pydantic."
    assert schema["properties"]["label"]["description"] == "What it is called."
    assert schema["definitions"]["Point"]["description"] == "Where it is."


def test_a_reference_stands_alone() -> None:
    kind = Annotated[Point, Field(description="Where to.")]
    schema = schema_of(list[kind])  # type: ignore[valid-type]
    assert schema["items"] == {
        "allOf": [{"$ref": "#/definitions/Point"}],
        "description": "Where to.",
    }


def test_a_tuple_is_one_of_draft_7() -> None:
    schema = schema_of(tuple[int, str])
    assert schema["items"] == [{"type": "integer"}, {"type": "string"}]
    assert schema["additionalItems"] is False
    assert is_valid([1, "a"], schema)
    assert not is_valid([1, 2], schema)
    assert not is_valid([1, "a", 2], schema)


@pytest.mark.parametrize("mode", ["receive", "send"])
def test_what_is_read_and_written_is_valid(mode: Any) -> None:
    schema = schema_of(Everything, mode)
    assert is_valid(EVERYTHING | {"price": "12.50"}, schema)
    assert is_valid(plain(read(Everything, EVERYTHING)), schema)


@pytest.mark.parametrize(
    "change",
    [
        {"count": "3"},
        {"colour": "green"},
        {"size": "7"},
        {"perhaps": {"x": 1}},
        {"pair": [1, "b", 2]},
        {"tags": ["a", "B"]},
        {"tags": ["a", "b", "c", "d"]},
        {"more": 1},
        {"points": [{"x": 1, "y": 2, "z": 3}]},
    ],
)
def test_what_is_refused_is_not_valid(change: dict[str, Any]) -> None:
    assert not is_valid({**EVERYTHING, **change}, schema_of(Everything))


VALUES = st.dictionaries(
    st.sampled_from(["type", "text", "to", "by", "value", "node", "who", "account", "x", "y", "z"]),
    st.sampled_from(["say", "move", "node", "text", "", "123456", 0, 5, 10, None, True, [], {}])
    | st.sampled_from([{"x": 1, "y": 2}, {"x": 1}, {"type": "node", "value": 1}]),
)


@given(VALUES)
def test_the_schema_accepts_what_the_reader_accepts(value: dict[str, Any]) -> None:
    for kind in (Say, Move, Point, Node, Text, Person, Model):
        try:
            Reader([kind]).read(value)
        except Invalid:
            assert not is_valid(value, schema_of(kind))
        else:
            assert is_valid(value, schema_of(kind))
