"""Why a value is not of its type, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

#: How many wrong fields an error names.
FIELDS = 20

#: Of more errors than this none is named: a list of them takes long and much memory.
ERRORS = 1_000

#: The longest key, path and message of a field (characters). Clients choose keys.
KEY, PATH, MESSAGE = 100, 200, 300

#: Texts that say the same for each kind of type.
TEXTS = {
    "missing": "Field required",
    "missing_argument": "Field required",
    "missing_keyword_only_argument": "Field required",
    "extra_forbidden": "Unknown field",
    "unexpected_keyword_argument": "Unknown field",
    "unexpected_positional_argument": "Unknown field",
    "dataclass_type": "Input should be an object",
    "dataclass_exact_type": "Input should be an object",
    "model_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "list_type": "Input should be an array",
    "tuple_type": "Input should be an array",
    "set_type": "Input should be an array",
}

#: Errors about a key that is not there.
_MISSING = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})


class Invalid(ValueError):
    """A value is not of its type.

    ``fields`` names the wrong fields, at most 20: a list of dicts with ``field``, such as
    ``lines[0].count``, and ``message``. The field ``""`` is the whole value.
    """

    def __init__(self, fields: Sequence[dict[str, str]]) -> None:
        self.fields = list(fields)
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """One sentence about the first field."""
        first, *more = self.fields
        text = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
        return f"{text} (and {len(more)} more)" if more else text

    def frame(self, **echo: Any) -> dict[str, Any]:
        """Return the error as a frame; *echo* are keys of the frame that it answers."""
        frame = {"type": "error", "code": "invalid", "message": self.text, "fields": self.fields}
        return {**frame, **echo}


def invalid(message: str, field: str = "") -> Invalid:
    """Return the error for one *field*."""
    return Invalid([{"field": field, "message": message[:MESSAGE]}])


def of_pydantic(error: ValidationError, value: Any) -> Invalid:
    """Return *error* as an :class:`Invalid`; *value* is what was read."""
    if error.error_count() > ERRORS:
        return invalid(f"{error.error_count():,} values are wrong")
    found = error.errors(include_url=False, include_context=False)
    return Invalid([_field(each, value) for each in found[:FIELDS]])


def _field(error: Mapping[str, Any], value: Any) -> dict[str, str]:
    path = _in_value(tuple(error["loc"]), value, error)
    message = TEXTS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return {"field": as_path(path), "message": message[:MESSAGE]}


def as_path(keys: Sequence[str | int]) -> str:
    """Return ``lines[0].count`` for ``("lines", 0, "count")``, shortened if it is long."""
    path = ""
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        else:
            path += f".{key[:KEY]}" if path else key[:KEY]
        if len(path) > PATH:
            return f"{path[: PATH - 3]}..."
    return path


def _in_value(
    location: tuple[str | int, ...], value: Any, error: Mapping[str, Any]
) -> tuple[str | int, ...]:
    """Return the keys and indices in *location* that lead to the error in *value*.

    Pydantic puts the names of the members of unions between them.
    """
    is_missing = error["type"] in _MISSING
    tried: set[tuple[int, int]] = set()

    def ways(start: int, at: Any) -> Iterator[tuple[str | int, ...]]:
        if (start, id(at)) in tried:
            return
        tried.add((start, id(at)))
        if start == len(location):
            if at == error["input"]:
                yield ()
            return
        key = location[start]
        if is_missing and start == len(location) - 1:
            if isinstance(at, dict) and key not in at and at == error["input"]:
                yield (key,)
            return
        if _has(at, key):
            yield from ((key, *rest) for rest in ways(start + 1, at[key]))
        yield from ways(start + 1, at)

    return next(ways(0, value), location)


def _has(value: Any, key: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(key, int) and key < len(value)
    return isinstance(value, dict) and key in value
