"""JSON of strangers: what is ambiguous, or breaks later in a database or a message, is refused."""

from __future__ import annotations

import json
import math
import re
from dataclasses import is_dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

#: How deep arrays and objects may be nested. Code that walks a value may then recurse.
DEPTH = 64

#: The range of integers: that of 64 bits, as in messages and databases.
SMALLEST, LARGEST = -(2**63), 2**63 - 1

#: No integer of 64 bits has more characters. Python takes long for thousands of digits.
LONGEST_INTEGER = 20

_may_have_surrogate = re.compile(r"\\u[dD][89a-fA-F]").search


class NotStrict(ValueError):
    """The text is no JSON, or not of the kind that is accepted. Its text may go to the client."""


def loads(text: str) -> Any:
    """Return the value of *text*; raise :class:`NotStrict`.

    Refused are duplicate keys, ``NaN`` and infinite numbers, integers beyond 64 bits, values nested
    deeper than :data:`DEPTH`, and lone surrogates.
    """
    try:
        value = _decoder.decode(text)
    except NotStrict:
        raise
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise NotStrict(f"This is no JSON: {error}") from None
    if text.count("[") + text.count("{") > DEPTH:
        _check_depth(value)
    if _may_have_surrogate(text):
        _check_surrogates(value)
    return value


def dumps(value: Any) -> str:
    """Return *value* as compact JSON.

    Dates, decimals and UUIDs are written as Django does, dataclasses and models of pydantic by
    :mod:`channels_workers.schemas`. Raises ``TypeError`` for other values, ``ValueError`` for
    ``NaN``.
    """
    return _encoder.encode(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotStrict(f"An object has the key {_repeated(pairs)[:50]!a} twice.")
    return found


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _integer(text: str) -> int:
    if len(text) <= LONGEST_INTEGER and SMALLEST <= (value := int(text)) <= LARGEST:
        return value
    raise NotStrict("An integer has more than 64 bits. Send it as a string.")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise NotStrict("A number is too large.")
    return value


def _constant(text: str) -> Any:
    raise NotStrict(f"{text} is no JSON.")


def _check_depth(value: Any) -> None:
    """Raise :class:`NotStrict` if *value* is nested too deep. It walks level by level."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> NotStrict:
    return NotStrict(f"This JSON is nested deeper than {DEPTH} levels.")


def _check_surrogates(value: Any) -> None:
    try:
        _plain.encode(value).encode()
    except UnicodeEncodeError:
        raise NotStrict("A string has half of a surrogate pair, which is no character.") from None


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        if is_dataclass(o) or hasattr(o, "__pydantic_serializer__"):
            from channels_workers.schemas.writing import plain  # noqa: PLC0415  (needs an extra)

            return plain(o)
        return super().default(o)


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
_encoder = _Encoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_plain = json.JSONEncoder(ensure_ascii=False, check_circular=False)
