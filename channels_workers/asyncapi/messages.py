"""The messages of all sockets, and the schemas of their payloads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from channels_workers.declarations import Exchange, JsonSchema
from channels_workers.schemas.json_schema import Mode, Schema, open_up, schemas_of
from channels_workers.schemas.reading import tags_of

#: Where references to schemas lead.
SCHEMAS = "#/components/schemas/"


class Messages:
    """Names and describes the messages of *exchanges*.

    *schemas* are the components that they refer to, and *all* the messages, by name.
    """

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self.schemas: dict[str, Schema] = {}
        self.all: dict[str, dict[str, Any]] = {}
        self._payloads: list[tuple[Any, Mode, Schema]] = []
        exchanges = list(exchanges)
        self._describe({(id(kind), mode): (kind, mode) for kind, mode in _kinds(exchanges)})
        for each in exchanges:
            self._adjust(each)
        self.schemas = dict(sorted(self.schemas.items()))

    def _describe(self, wanted: Mapping[Any, tuple[Any, Mode]]) -> None:
        typed = [(key, *each) for key, each in wanted.items() if not _is_written(each[0])]
        schemas, self.schemas = schemas_of(typed, f"{SCHEMAS}{{model}}")
        for (_, kind, mode), schema in zip(typed, schemas, strict=True):
            self._payloads.append((kind, mode, schema))
        for kind, mode in wanted.values():
            if _is_written(kind):
                name = self._free_name(kind)
                self.schemas[name] = {"title": name, **kind.schema}
                self._payloads.append((kind, mode, {"$ref": f"{SCHEMAS}{name}"}))

    def _free_name(self, kind: JsonSchema) -> str:
        name, number = kind.name, 2
        while self.schemas.get(name, {"title": name, **kind.schema}) != {
            "title": name,
            **kind.schema,
        }:
            name, number = f"{kind.name}{number}", number + 1
        return name

    def _adjust(self, exchange: Exchange) -> None:
        if exchange.action != "receive":
            return
        for kind in exchange.kinds:
            schema = self.payload(kind, "receive")
            if exchange.by and len(exchange.kinds) > 1 and not _is_written(kind):
                _require(self._of(schema), exchange.by, tags_of(kind, exchange.by))
            if exchange.extra == "ignore":
                open_up(schema, self.schemas)

    def payload(self, kind: Any, mode: Mode) -> Schema:
        """Return the schema of a payload, a reference if its type has a name."""
        return next(
            schema for found, way, schema in self._payloads if found is kind and way == mode
        )

    def _of(self, schema: Schema) -> Schema:
        name = str(schema.get("$ref", "")).removeprefix(SCHEMAS)
        return self.schemas.get(name, schema)

    def names(self, exchange: Exchange) -> list[str]:
        """Return the names of the messages of *exchange*, and note them."""
        return [
            self._note(exchange, kind, exchange.action, exchange.wrap) for kind in exchange.kinds
        ]

    def replies(self, exchange: Exchange) -> list[str]:
        """Return the names of the messages that answer those of *exchange*, and note them."""
        return [
            self._note(exchange, kind, "send", exchange.wrap_reply, "reply")
            for kind in exchange.reply
        ]

    def _note(self, exchange: Exchange, kind: Any, mode: Mode, wrap: Any, frame: str = "") -> str:
        payload, wrap = self.payload(kind, mode), None if _is_written(kind) else wrap
        name = str(payload.get("$ref", "")).removeprefix(SCHEMAS) or type_name(kind)
        if wrap:  # a frame goes one way, so its name says which of two types it has
            frame = frame or ("sent" if mode == "send" else exchange.frame)
            name = name.removesuffix("-Input").removesuffix("-Output")
        parts = [exchange.stream, frame, name] if wrap else [name]
        key = ".".join(as_name(part) for part in parts if part)
        message: dict[str, Any] = {"name": key, "title": title(key)}
        message["contentType"] = "application/json"
        message["payload"] = wrap(payload) if wrap else payload
        known = self.all.get(key)
        if known is not None and known != message:
            raise ValueError(
                f"Two different messages would be called {key!r}. Rename one of their types."
            )
        self.all[key] = message
        return key


def _kinds(exchanges: Iterable[Exchange]) -> Iterator[tuple[Any, Mode]]:
    for each in exchanges:
        yield from ((kind, each.action) for kind in each.kinds)
        yield from ((kind, "send") for kind in each.reply)


def _is_written(kind: Any) -> bool:
    return isinstance(kind, JsonSchema)


def _require(schema: Schema, key: str, tags: tuple[str, ...]) -> None:
    """Let objects have the *key* that tells them apart; it may be left out where there is no other.

    A default would say that it may.
    """
    found = schema.get("properties", {}).get(key)
    if found is not None and key not in schema.get("required", ()):
        schema["required"] = [key, *schema.get("required", ())]
        found.pop("default", None)


def type_name(kind: Any) -> str:
    """Return a name for a type without a schema of its own, such as a list."""
    return getattr(kind, "__name__", None) or str(kind)


def as_name(text: str) -> str:
    """Return *text* as a part of the name of a component."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_") or "_"


def title(name: str) -> str:
    """Return the last part of a message's name."""
    return name.rpartition(".")[2]
