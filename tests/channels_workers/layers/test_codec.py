from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.exceptions import MessageError, MessageTooLarge
from channels_workers.layers.codec import Codec, Content

codec = Codec(message_size=1_000_000)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_encoding_round_trips(content: Content) -> None:
    assert codec.decode(codec.encode(content)) == content


@given(st.dictionaries(st.text(), values, max_size=5))
def test_encryption_round_trips(content: Content) -> None:
    secret = Codec(1_000_000, ["a key"])
    assert secret.decode(secret.encode(content)) == content


@given(st.binary(max_size=50))
def test_foreign_bytes_are_decoded_or_refused(payload: bytes) -> None:
    try:
        content = codec.decode(payload)
    except MessageError:
        return
    assert isinstance(content, dict)


def test_dict_keys_may_be_of_any_scalar_type() -> None:
    content: Any = {1: "one", None: "none", b"b": "bytes", 1.5: "float"}
    assert codec.decode(codec.encode(content)) == content


@pytest.mark.parametrize("key", [(1, 2), ("a",), (), frozenset([1])])
def test_a_dict_key_that_would_change_is_refused_when_sent(key: Any) -> None:
    with pytest.raises(MessageError):
        codec.encode({"rows": [{key: 1}]})


@given(st.dictionaries(st.text(), values | st.dictionaries(scalars, scalars, max_size=3)))
def test_everything_that_encodes_decodes(content: Content) -> None:
    assert codec.decode(codec.encode(content)) == content


def test_tuples_become_lists() -> None:
    assert codec.decode(codec.encode({"a": (1, (2,))})) == {"a": [1, [2]]}


def test_template_safe_text_becomes_plain_text() -> None:
    assert codec.decode(codec.encode({"text": mark_safe("<b>")})) == {"text": "<b>"}


@pytest.mark.parametrize(
    "value",
    [
        object(),
        datetime.now(UTC),
        Decimal(1),
        {1, 2},
        2**64,
        -(2**63) - 1,
        "\ud800",
        1j,
        ValueError(),
    ],
)
def test_unserialisable_content_is_refused_with_the_remedy(value: Any) -> None:
    with pytest.raises(MessageError, match=r"cannot be encoded \((Type|Overflow|Unicode).*Content"):
        codec.encode({"value": [value]})


def test_self_referencing_content_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(MessageError, match="cannot be encoded"):
        codec.encode({"value": endless})


def test_a_message_of_exactly_the_limit_is_accepted() -> None:
    size = len(codec.encode({"text": "x" * 100}))
    assert len(Codec(size).encode({"text": "x" * 100})) == size
    with pytest.raises(MessageTooLarge, match=rf"has {size} bytes.*the limit is {size - 1}"):
        Codec(size - 1).encode({"text": "x" * 100})


def test_the_limit_applies_to_the_encrypted_form() -> None:
    size = len(codec.encode({"text": "x" * 100}))
    with pytest.raises(MessageTooLarge):
        Codec(size, ["a key"]).encode({"text": "x" * 100})


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x81\xa1a", b"\x80\x80"])
def test_garbage_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError, match="cannot be decoded"):
        codec.decode(payload)


def test_a_message_must_contain_a_dict() -> None:
    with pytest.raises(MessageError, match="must hold a dict, not list"):
        codec.decode(b"\x90")


def test_an_encrypted_message_hides_its_text() -> None:
    payload = Codec(10_000, ["a key"]).encode({"text": "a secret"})
    assert b"a secret" not in payload


def test_a_previous_key_still_decrypts() -> None:
    old, new = Codec(10_000, ["old"]), Codec(10_000, ["new", "old"])
    assert new.decode(old.encode({"text": "hi"})) == {"text": "hi"}


@pytest.mark.parametrize("reader", [codec, Codec(10_000, ["another key"])])
def test_a_message_without_its_key_is_refused_with_the_remedy(reader: Codec) -> None:
    payload = Codec(10_000, ["a key"]).encode({"text": "hi"})
    with pytest.raises(MessageError, match="symmetric_encryption_keys"):
        reader.decode(payload)
