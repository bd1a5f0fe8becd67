"""JSON Schema of types, of draft 7, which is that of AsyncAPI 3 too."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

#: ``receive`` is what clients send, where fields with a default may be left out; ``send`` is what
#: they get.
Mode = Literal["receive", "send"]

Schema = dict[str, Any]

_MODES: dict[Mode, Literal["validation", "serialization"]] = {
    "receive": "validation",
    "send": "serialization",
}


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, without keys that differ between drafts, and without needless titles.

    Objects that are read have no other keys, as :class:`~channels_workers.schemas.Reader` has it.
    """

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        return self._closed(super().model_schema(schema))

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        return self._closed(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        return self._closed(super().typed_dict_schema(schema))

    def _closed(self, found: JsonSchemaValue) -> JsonSchemaValue:
        if "properties" in found:
            found.pop("additionalProperties", None)
            if self.mode == "validation":
                found["additionalProperties"] = False
        return found

    def tagged_union_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().tagged_union_schema(schema)
        found.pop("discriminator", None)  # an object in OpenAPI, a text in AsyncAPI
        return found

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization" and field["type"] != "typed-dict-field":
            return field.get("serialization_exclude_if") is None
        return super().field_is_required(field, total)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(kind: Any, mode: Mode = "receive") -> Schema:
    """Return the JSON Schema of *kind*, a dataclass, a ``TypedDict``, a model or another type.

    *mode* is ``"receive"`` for what clients send, ``"send"`` for what they get. Other types that it
    has are in ``definitions``.
    """
    schema = TypeAdapter(kind).json_schema(
        mode=_MODES[mode], ref_template="#/definitions/{model}", schema_generator=_Generator
    )
    definitions = schema.pop("$defs", {})
    made: Schema = _as_draft_7({**schema, "definitions": definitions} if definitions else schema)
    return made


def schemas_of(
    wanted: Iterable[tuple[Hashable, Any, Mode]], template: str
) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schemas of the types *wanted*, in their order, and the definitions of all.

    Each has a key of its own, the type and the mode. References follow *template*.
    """
    given = [(key, _MODES[mode], TypeAdapter(kind)) for key, kind, mode in wanted]
    found, more = TypeAdapter.json_schemas(
        given, ref_template=template, schema_generator=_Generator
    )
    definitions = more.get("$defs", {})
    schemas = [_as_draft_7(found[key, mode]) for key, mode, _ in given]
    return schemas, {name: _as_draft_7(each) for name, each in definitions.items()}


def _as_draft_7(schema: Any) -> Any:
    """Return *schema*, of draft 2020-12, in the words of draft 7.

    There a reference stands alone: what is beside it is ignored.
    """
    if isinstance(schema, list):
        return [_as_draft_7(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # In `properties` the keys are names of fields, so a keyword is one only with its kind of value.
    made = {key: _as_draft_7(value) for key, value in schema.items()}
    if len(made) > 1 and isinstance(made.get("$ref"), str):
        return {"allOf": [{"$ref": made.pop("$ref")}], **made}
    if isinstance(made.get("prefixItems"), list):
        rest = made.pop("items", False)
        return {"items": made.pop("prefixItems"), "additionalItems": rest, **made}
    return made


def open_up(schema: Schema, definitions: dict[str, Schema]) -> None:
    """Let the objects of *schema*, and those that it refers to, have other keys."""
    seen: set[str] = set()
    waiting = [schema]
    while waiting:
        for each in _parts(waiting.pop()):
            if each.get("additionalProperties") is False:
                del each["additionalProperties"]
            name = str(each.get("$ref", "")).rpartition("/")[2]
            if name in definitions and name not in seen:
                seen.add(name)
                waiting.append(definitions[name])


def _parts(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _parts(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from _parts(each)
