"""Writes instances of types as JSON."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter


def write(value: Any, kind: Any = None) -> str:
    """Return *value*, an instance of a type, as the text of a frame.

    *kind* is its type, by default its class; give it for a ``TypedDict``, a list or a union.
    Raises pydantic's ``PydanticSerializationError``, a ``ValueError``, for a value that has
    something else in a field than its type says.
    """
    return _adapter_for(value, kind).dump_json(value, by_alias=True, warnings="error").decode()


def plain(value: Any, kind: Any = None) -> Any:
    """Return *value* as JSON has it, of dicts, lists, texts and numbers. Else as :func:`write`."""
    return _adapter_for(value, kind).dump_python(
        value, mode="json", by_alias=True, warnings="error"
    )


def _adapter_for(value: Any, kind: Any) -> TypeAdapter[Any]:
    wanted = type(value) if kind is None else kind
    return _cached(wanted) if isinstance(wanted, type) else TypeAdapter(wanted)


@cache
def _cached(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
