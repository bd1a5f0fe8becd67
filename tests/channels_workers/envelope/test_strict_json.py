"""JSON of strangers."""

import datetime as dt
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels_workers.envelope.strict_json import DEPTH, NotStrict, dumps, loads

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=30
)

#: The first text takes seconds.
SLOWLY = settings(suppress_health_check=[HealthCheck.too_slow])


@SLOWLY
@given(VALUES, st.booleans())
def test_it_reads_what_json_reads(value: Any, is_ascii: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=is_ascii)) == value
    assert loads(dumps(value)) == value


@SLOWLY
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = loads(text)
    except NotStrict as error:
        str(error).encode()
    else:
        assert value == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nul",
        '{"a": 1} {}',
        "NaN",
        "[Infinity]",
        "[-Infinity]",
        "1e999",
        "[-1e400]",
        "9223372036854775808",
        "-9223372036854775809",
        f"[{'9' * 5_000}]",
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "\\u0062": 2}}',
        '"\\ud800"',
        '{"\\udfff": 1}',
        '["\\ude00\\ud83d"]',
        "[" * (DEPTH + 1) + "]" * (DEPTH + 1),
        '{"a":' * (DEPTH + 1) + "1" + "}" * (DEPTH + 1),
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 50_000,
        "\ufeff{}",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(NotStrict):
        loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775807",
        "-9223372036854775808",
        '"\\ud83d\\ude00"',
        '"\\\\ud800"',
        "[" * DEPTH + "]" * DEPTH,
        f"[{'[],' * 1_000}[]]",
        '{"a": {"a": 1}}',
    ],
    ids=lambda text: text[:20],
)
def test_what_is_accepted(text: str) -> None:
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f'"{number}":1' for number in range(20_000)) + ',"0":1}',
        "[" + "[]," * 80_000 + "[]]",
        '["' + "\\ud83d\\ude00" * 20_000 + '\\ud800"]',
        "[" + ("9" * 4_000 + ",") * 60 + "1]",
    ],
    ids=["keys", "lists", "surrogates", "digits"],
)
def test_a_large_frame_takes_no_time(text: str) -> None:
    """The largest frame has 256 KiB. What is quadratic would take minutes."""
    began = time.process_time()
    with suppress(NotStrict):
        loads(text)
    assert time.process_time() - began < 2


@dataclass
class Line:
    text: str
    at: dt.date


def test_what_is_written() -> None:
    value = {
        "lines": [Line("tea", dt.date(2026, 1, 2))],
        "price": Decimal("1.50"),
        "id": UUID(int=1),
        "茶": "\x00\u2028",
    }
    assert json.loads(dumps(value)) == {
        "lines": [{"text": "tea", "at": "2026-01-02"}],
        "price": "1.50",
        "id": "00000000-0000-0000-0000-000000000001",
        "茶": "\x00\u2028",
    }
    assert dumps({"茶": [1, 2]}) == '{"茶":[1,2]}'


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, b"bytes", {"a": Line}])
def test_what_cannot_be_written(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        dumps(value)
