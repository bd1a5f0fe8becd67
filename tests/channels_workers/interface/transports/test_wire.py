"""Bodies of requests: what our client sends, and what only others send."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.interface.transports.refusals import Refused
from channels_workers.interface.transports.wire import (
    FRAMES,
    PROTOCOLS,
    Close,
    Open,
    Receive,
    Send,
    read,
    to_json,
)

VERBS = [b"open", b"receive", b"send", b"close"]


def read_json(verb: bytes, content: Any) -> Any:
    return read(verb, json.dumps(content).encode())


def test_bodies_of_our_client() -> None:
    assert read_json(b"open", {"protocols": ["a", "token.x_y-z"]}) == Open(("a", "token.x_y-z"))
    assert read_json(b"open", {}) == Open(())
    assert read_json(b"receive", {"id": "i", "after": 3, "by": "sse"}) == Receive("i", 3, "sse")
    sent = {"id": "i", "first": 2, "frames": ["a", {"bytes": "AAE="}], "ack": 1, "more": 1}
    assert read_json(b"send", sent) == Send("i", 2, ("a", b"\0\1"), 1)
    assert read_json(b"close", {"id": "i", "code": 3001}) == Close("i", 3001)


@pytest.mark.parametrize("code", [None, 999, 1005, 1006, 2000, 5000, 10**30, "1000", True])
def test_a_code_that_no_page_closes_with_counts_as_none(code: Any) -> None:
    assert read_json(b"close", {"id": "i", "code": code}) == Close("i", 1005)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        (b"open", b""),
        (b"open", b"[]"),
        (b"open", b"\xff"),
        (b"open", b"[" * 10_000),
        (b"open", b'{"protocols": "a"}'),
        (b"open", b'{"protocols": ["a b"]}'),
        (b"open", b'{"protocols": ["a\\n"]}'),
        (b"open", b'{"protocols": [1]}'),
        (b"open", json.dumps({"protocols": ["a"] * (PROTOCOLS + 1)}).encode()),
        (b"open", json.dumps({"protocols": ["a" * 20_000]}).encode()),
        (b"receive", b'{"id": "i", "after": 0}'),
        (b"receive", b'{"id": "i", "after": -1, "by": "poll"}'),
        (b"receive", b'{"id": "i", "after": 1.5, "by": "poll"}'),
        (b"receive", b'{"id": "i", "after": true, "by": "poll"}'),
        (b"receive", b'{"id": "i", "after": 9007199254740992, "by": "poll"}'),
        (b"receive", b'{"id": "", "after": 0, "by": "poll"}'),
        (b"receive", b'{"after": 0, "by": "poll"}'),
        (b"send", b'{"id": "i", "first": 0, "frames": []}'),
        (b"send", b'{"id": "i", "first": %s}' % (b"9" * 5_000)),
        (b"send", b'{"id": "i", "first": 1, "frames": {}}'),
        (b"send", b'{"id": "i", "first": 1, "frames": [1]}'),
        (b"send", b'{"id": "i", "first": 1, "frames": [{"bytes": "!"}]}'),
        (b"send", b'{"id": "i", "first": 1, "frames": [{"bytes": "AAE"}]}'),
        (b"send", b'{"id": "i", "first": 1, "frames": ["\\ud800"]}'),
        (b"send", json.dumps({"id": "i", "first": 1, "frames": ["x"] * (FRAMES + 1)}).encode()),
        (b"send", b'{"id": "i", "first": 1, "frames": ["x",]}'),
        (b"send", b'{"id": "i", "first": 1, "frames": ["x"'),
        (b"send", b'{"id": "i", "first": 1, "frames": ["x]}'),
        (b"send", b'{"id": "i", "first": 1.5}'),
        (b"send", b'{"id": "i", "first": 01}'),
        (b"send", b'{"id": "i", "first": null}'),
        (b"send", b'{"id": "i", "frames": [[]]}'),
        (b"send", b'{"id": "i", "frames": [{"bytes": {}}]}'),
        (b"send", b'{"id": "i"} {}'),
        (b"send", b'{"id": "i", "frames": ["\n"]}'),
        (b"send", b"{" + b", ".join(b'"%d": 0' % n for n in range(100)) + b"}"),
        (b"send", b"[]"),
        (b"send", b""),
        (b"close", b'{"id": 1}'),
        (b"other", b"{}"),
    ],
)
def test_bodies_that_no_client_of_ours_sends(verb: bytes, body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read(verb, body)
    assert caught.value.status == 400


@given(st.sampled_from(VERBS), st.binary(max_size=200))
def test_no_body_breaks_it(verb: bytes, body: bytes) -> None:
    with suppress(Refused):
        read(verb, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(VERBS),
    st.dictionaries(
        st.sampled_from(["id", "after", "by", "first", "frames", "ack", "code", "protocols"]), JSON
    ),
)
def test_no_json_breaks_it(verb: bytes, content: Any) -> None:
    with suppress(Refused):
        read_json(verb, content)


@given(st.text(st.characters(codec="utf-8")) | st.binary())
def test_frames_come_back_as_they_were(frame: str | bytes) -> None:
    text = to_json(frame)
    assert "\n" not in text  # it must fit into a line of an event
    assert "\r" not in text
    body = f'{{"id": "i", "first": 1, "frames": [{text}]}}'
    found = read(b"send", body.encode())
    assert isinstance(found, Send)
    assert found.frames == (frame,)


def test_a_body_of_pieces_that_nobody_sends_is_not_read_to_its_end() -> None:
    for piece in (b"[],", b"{},", b"1,", b'{"a":[]},'):
        body = b'{"id":"x","frames":[' + piece * (1024 * 1024 // len(piece)) + b"0]}"
        began = time.process_time()
        with pytest.raises(Refused):
            read(b"send", body)
        assert time.process_time() - began < 0.05


def test_only_frames_make_a_large_body() -> None:
    for verb in (b"open", b"receive", b"close"):
        with pytest.raises(Refused) as caught:
            read(verb, b" " * 40_000)
        assert caught.value.status == 413
    assert read(b"send", b'{"id": "i", "frames": ["' + b"x" * 500_000 + b'"]}')


@given(
    st.lists(st.text(st.characters(codec="utf-8")) | st.binary(), max_size=5),
    st.integers(1, 2**53 - 1),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_it_reads_what_json_writes(
    frames: list[str | bytes], first: int, indent: int | None, is_ascii: bool
) -> None:
    given = [json.loads(to_json(frame)) for frame in frames]
    content = {"frames": given, "ack": 3, "id": "i", "first": first}
    separators = (",", ":") if indent else (", ", ": ")
    body = json.dumps(content, ensure_ascii=is_ascii, separators=separators).encode()
    assert read(b"send", body) == Send("i", first, tuple(frames), 3)
