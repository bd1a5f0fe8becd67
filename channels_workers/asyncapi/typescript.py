"""Types of TypeScript for the schemas and messages of a document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from channels_workers.asyncapi.document import Document

Schema = Mapping[str, Any]

#: A key that needs no quotes.
_PLAIN = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)

_NAMES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
    "array": "unknown[]",
}

HEADER = "// Written by `manage.py asyncapi --typescript`. Do not edit.\n"


def as_typescript(document: Document) -> str:
    """Return the module with an exported type for each schema, message and socket."""
    return Module(document.as_json()).text()


class Module:
    """The module of the document *described*."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        components = described["components"]
        self._channels, self._operations = described["channels"], described["operations"]
        self._types: dict[str, Schema] = dict(components["schemas"])
        for name, message in components["messages"].items():
            self._types.setdefault(name, message["payload"])
        self._names = self._merged()

    def text(self) -> str:
        """Return the text of the module."""
        found = (self._declaration(name) for name in self._types)
        sockets = (text for name in self._channels for text in self._socket(name))
        return "\n".join([HEADER, *dict.fromkeys(found), *sockets])

    def _merged(self) -> dict[str, str]:
        """Return the names of types. One for both directions, if they are the same for TypeScript.

        The keys that an object must not have make the difference, of which it knows nothing.
        """
        pairs = {
            base: (f"{base}-Input", f"{base}-Output")
            for base in (name.removesuffix("-Input") for name in self._types)
            if {f"{base}-Input", f"{base}-Output"} <= self._types.keys()
        }
        while True:
            self._names = {each: type_name(base) for base in pairs for each in pairs[base]}
            unlike = [
                base
                for base, (one, other) in pairs.items()
                if self._declaration(one) != self._declaration(other)
            ]
            if not unlike:
                return self._names
            for base in unlike:
                del pairs[base]

    def _name(self, component: str) -> str:
        return self._names.get(component) or type_name(component)

    def _socket(self, name: str) -> Iterator[str]:
        """Yield the types of all frames of a socket, in each direction."""
        address = self._channels[name]["address"] or "any path"
        own = [each for each in self._operations.values() if each["channel"] == _channel(name)]
        received = _names(each["messages"] for each in own if each["action"] == "receive")
        sent = _names(each["messages"] for each in own if each["action"] == "send")
        sent += _names(each["reply"]["messages"] for each in own if "reply" in each)
        base = type_name(name)
        yield self._alias(f"{base}ToServer", received, f"What clients send to {address}.")
        yield self._alias(f"{base}FromServer", sent, f"What clients get from {address}.")

    def _alias(self, name: str, messages: list[str], text: str) -> str:
        types = _union(map(self._name, messages))
        return f"{comment(text)}export type {name} = {types};\n"

    def _declaration(self, name: str) -> str:
        """Return the exported type for the component *name*."""
        schema, named = self._types[name], self._name(name)
        text = comment(schema.get("description", ""))
        if is_object(schema):
            return f"{text}export interface {named} {self._object(schema)}\n"
        return f"{text}export type {named} = {self._type(schema)};\n"

    def _type(self, schema: Any, depth: int = 0) -> str:
        """Return the expression for the type of *schema*, at this *depth* of objects."""
        if not isinstance(schema, Mapping):
            return "never" if schema is False else "unknown"
        word = next((each for each in _WORDS if each in schema), "type")
        return _WORDS[word](self, schema, depth)

    def _reference(self, schema: Schema, depth: int) -> str:
        return self._name(schema["$ref"].rpartition("/")[2])

    def _constant(self, schema: Schema, depth: int) -> str:
        return _union(map(json.dumps, schema.get("enum", (schema.get("const"),))))

    def _one_of(self, schema: Schema, depth: int) -> str:
        return _union(self._type(each, depth) for each in schema.get("anyOf") or schema["oneOf"])

    def _all_of(self, schema: Schema, depth: int) -> str:
        return " & ".join(_bracketed(self._type(each, depth)) for each in schema["allOf"])

    def _of_kind(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union(self._of_kind({**schema, "type": each}, depth) for each in kind)
        if kind == "array" and "items" in schema:
            return self._of_array(schema, depth)
        if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
            return f"Record<string, {self._type(schema['additionalProperties'], depth)}>"
        return _NAMES.get(str(kind), "unknown")

    def _of_array(self, schema: Schema, depth: int) -> str:
        items = schema["items"]
        if not isinstance(items, list):
            return f"{_bracketed(self._type(items, depth))}[]"
        types = [self._type(each, depth) for each in items]
        least = schema.get("minItems", 0)
        types = [
            each if number < least else f"{_bracketed(each)}?" for number, each in enumerate(types)
        ]
        if (rest := schema.get("additionalItems", True)) is not False:
            types.append(f"...{_bracketed(self._type(rest, depth))}[]")
        return f"[{', '.join(types)}]"

    def _object(self, schema: Schema, depth: int = 0) -> str:
        """Return the type of an object with known keys."""
        indent = "  " * (depth + 1)
        required = schema.get("required", ())
        lines = []
        for key, each in schema["properties"].items():
            text = each.get("description", "") if isinstance(each, Mapping) else ""
            mark = "" if key in required else "?"
            lines.append(
                f"{comment(text, indent)}{indent}{_key(key)}{mark}: {self._type(each, depth + 1)};"
            )
        return "\n".join(["{", *lines, f"{'  ' * depth}}}"])


#: The words of a schema that say its type, the strongest first.
_WORDS: dict[str, Callable[[Module, Schema, int], str]] = {
    "$ref": Module._reference,
    "const": Module._constant,
    "enum": Module._constant,
    "anyOf": Module._one_of,
    "oneOf": Module._one_of,
    "allOf": Module._all_of,
    "properties": Module._object,
    "type": Module._of_kind,
}


def _channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{name}"}


def _names(lists: Iterable[list[dict[str, str]]]) -> list[str]:
    return [each["$ref"].rpartition("/")[2] for found in lists for each in found]


def type_name(name: str) -> str:
    """Return the name of the type for a component: ``SayInput`` for ``Say-Input``."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    made = "".join(f"{word[:1].upper()}{word[1:]}" for word in words)
    return made if made[:1].isalpha() else f"_{made}"


def is_object(schema: Any) -> bool:
    """Say whether *schema* is that of an object with known keys."""
    return isinstance(schema, Mapping) and "properties" in schema and "allOf" not in schema


def _key(key: str) -> str:
    return key if _PLAIN.fullmatch(key) else json.dumps(key)


def _union(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types)) or "never"


def _bracketed(text: str) -> str:
    return f"({text})" if " | " in text or " & " in text else text


def comment(text: str, indent: str = "") -> str:
    """Return *text* as a comment above a line; nothing if it is empty."""
    lines = text.replace("*/", "* /").split("\n")
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n" if text else ""
    inner = "\n".join(f"{indent} * {line}".rstrip() for line in lines)
    return f"{indent}/**\n{inner}\n{indent} */\n"
