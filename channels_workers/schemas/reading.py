"""Reads JSON into types, strictly."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from types import UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from channels_workers.schemas.errors import invalid, of_pydantic

Extra = Literal["forbid", "ignore"]

#: How many values a frame may have by default: objects, arrays, texts, numbers and so on. Each may
#: be wrong in several ways, and pydantic collects all of them.
MOST_VALUES = 10_000

#: How deep objects and arrays may be in each other.
LEVELS = 64


class Reader:
    """Reads values of one type, or of one of several.

    *kinds* are dataclasses, ``TypedDict`` or models of pydantic. Each of several must have a field
    *by*, a ``Literal`` of strings, whose value tells which one it is. *extra* says what happens to
    keys that the type does not have: ``"forbid"`` or ``"ignore"``. A value with more than
    *most_values* parts, or with more than 64 levels, is refused before it is read.

    It is strict: ``"1"`` is no int. A text is a ``datetime``, a ``UUID``, a ``Decimal`` or an enum
    where JSON has no other way. Raises ``TypeError`` for *kinds* that it cannot tell apart.
    """

    def __init__(
        self,
        kinds: Sequence[Any],
        by: str = "type",
        extra: Extra = "forbid",
        most_values: int = MOST_VALUES,
    ) -> None:
        if not kinds:
            raise TypeError("Expected at least one type to read, got none.")
        self.kinds = tuple(kinds)
        self.by = by
        self.extra = extra
        self._most_values = most_values
        self._only = TypeAdapter[Any](kinds[0]) if len(kinds) == 1 else None
        self._by_tag: dict[str, TypeAdapter[Any]] = {}
        if self._only is None:
            for kind in kinds:
                adapter = TypeAdapter[Any](kind)
                for tag in tags_of(kind, by):
                    if tag in self._by_tag:
                        raise TypeError(f"Two types have the {by} {tag!r}; give each its own.")
                    self._by_tag[tag] = adapter

    def read(self, value: Any) -> Any:
        """Return the instance that *value* describes: what ``json.loads`` returned.

        Raises :class:`~channels_workers.schemas.Invalid`, with the wrong fields.
        """
        return self._read(_dumped(value), value)

    def read_text(self, text: str) -> Any:
        """Return the instance that *text*, JSON, describes. Raises as :meth:`read` does."""
        return self._read(text, loaded(text))

    def read_loaded(self, text: str, value: Any) -> Any:
        """Return the instance that *text* describes, which :func:`loaded` has made *value* of."""
        return self._read(text, value)

    def _read(self, text: str, value: Any) -> Any:
        check_size(text, value, self._most_values)
        adapter = self._only or self._chosen(value)
        try:
            return adapter.validate_json(text, strict=True, extra=self.extra)
        except ValidationError as error:
            raise of_pydantic(error, value) from None

    def _chosen(self, value: Any) -> TypeAdapter[Any]:
        if not isinstance(value, dict):
            raise invalid("Input should be an object")
        if self.by not in value:
            raise invalid("Field required", self.by)
        tag = value[self.by]
        found = self._by_tag.get(tag) if isinstance(tag, str) else None
        if found is None:
            raise invalid(f"Input should be {' or '.join(map(repr, self._by_tag))}", self.by)
        return found


def check_size(text: str, value: Any, most_values: int) -> None:
    """Raise ``Invalid`` if *value*, the JSON *text*, has too many parts or levels."""
    containers = text.count("[") + text.count("{")
    if containers <= LEVELS and containers + text.count(",") < most_values:
        return  # a part is the first one in its container, or follows a comma
    count, levels, level = 0, 0, [value]
    while level:
        count += len(level)
        if count > most_values:
            raise invalid(f"More than {most_values:,} values")
        inside = [each for each in level if isinstance(each, dict | list)]
        levels += bool(inside)
        if levels > LEVELS:
            raise invalid(f"More than {LEVELS} levels of objects and arrays")
        level = [
            part for each in inside for part in (each.values() if isinstance(each, dict) else each)
        ]


def tags_of(kind: Any, by: str) -> tuple[str, ...]:
    """Return the values that the field *by* of *kind* may have; TypeError without a Literal."""
    hint = get_type_hints(kind).get(by)
    tags = get_args(hint) if get_origin(hint) is Literal else ()
    if not tags or not all(isinstance(tag, str) for tag in tags):
        name = getattr(kind, "__name__", kind)
        raise TypeError(
            f"{name} needs a field {by!r} that tells it from other types, such as "
            f'{by}: Literal["say"]. Or name another field: by="...".'
        )
    return tags


def loaded(text: str) -> Any:
    """Return the value of *text*; ``Invalid`` if it is not JSON."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise invalid("The JSON is nested too deeply") from None
    except ValueError as error:
        raise invalid(f"Invalid JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise invalid("The value is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise invalid(f"The value is not JSON: {error}") from None


def read(kind: Any, value: Any) -> Any:
    """Return the instance of *kind* that *value* describes: what ``json.loads`` returned.

    Raises :class:`~channels_workers.schemas.Invalid`, with the wrong fields.
    """
    return _reader_of(kind).read(value)


def read_text(kind: Any, text: str) -> Any:
    """Return the instance of *kind* that *text*, JSON, describes. Raises as :func:`read` does."""
    return _reader_of(kind).read_text(text)


def _reader_of(kind: Any) -> Reader:
    try:
        hash(kind)
    except TypeError:  # an Annotated with a list in it
        return _made(kind)
    return _cached(kind)


def _made(kind: Any) -> Reader:
    """Return the reader of *kind*. The members of a union are told apart by ``type``, if possible.

    Then an error is about the member that was meant, not about all of them.
    """
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
    with suppress(TypeError):
        if len(members) > 1:
            return Reader(members)
    return Reader([kind])


_cached = cache(_made)
