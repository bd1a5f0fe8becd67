"""Parts that random conversations share: who speaks, what is said, how steps follow."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from legacy.comparison.steps import (
    Binary,
    Burst,
    Close,
    Connect,
    Conversation,
    Get,
    Post,
    Step,
    Text,
)

#: Few, so that they meet.
clients = st.sampled_from(("ann", "bob", "cem"))

words = st.sampled_from(
    (
        "hello",
        "Grüße",
        "привет, мир",
        "日本語",
        "👋🏽 👩‍👩‍👧",
        "two\nlines",
        '"quoted" \\ <b>',
        " ",
        "x" * 300,
    )
)

#: Frames that hold no object, or no JSON at all.
junk = st.sampled_from(("", "{", "no json", "null", "17", "[]", '"text"', "{}", "\u2028"))

#: The last is neither ASCII nor UTF-8.
data = st.sampled_from((b"", b"{}", b"raw bytes", b"\x00\x01", b"\xff\xfe"))
ascii_data = st.sampled_from((b"", b"{}", b"raw bytes", b"\x00\x01"))

codes = st.sampled_from((1000, 3000, 4000, 4321, 4999))


def connects(*paths: str) -> SearchStrategy[Step]:
    """Open sockets at *paths*."""
    return st.builds(Connect, clients, st.sampled_from(paths))


def texts(frames: SearchStrategy[str]) -> SearchStrategy[Step]:
    """Send *frames*."""
    return st.builds(Text, clients, frames)


def bursts(frames: SearchStrategy[str]) -> SearchStrategy[Step]:
    """Send several of *frames* at once; none of them may close the socket."""
    return st.builds(Burst, clients, st.lists(frames, min_size=2, max_size=6).map(tuple))


def gets(*paths: str) -> SearchStrategy[Step]:
    """Request pages."""
    return st.builds(Get, clients, st.sampled_from(paths))


def posts(path: str, **fields: SearchStrategy[str]) -> SearchStrategy[Step]:
    """Send a form of *fields*."""
    return st.builds(Post, clients, st.just(path), st.fixed_dictionaries(fields))


binaries: SearchStrategy[Step] = st.builds(Binary, clients, data)
ascii_binaries: SearchStrategy[Step] = st.builds(Binary, clients, ascii_data)
closes: SearchStrategy[Step] = st.builds(Close, clients, codes)


def as_json(**fields: SearchStrategy[object]) -> SearchStrategy[str]:
    """Objects of *fields*, as JSON."""
    return st.fixed_dictionaries(fields).map(json.dumps)


def conversations(
    opening: SearchStrategy[Step], *others: SearchStrategy[Step], before: Conversation = ()
) -> SearchStrategy[Conversation]:
    """Conversations of 4 to 12 steps after *before*: some of *opening*, then any of all.

    Strategies that are given twice are taken twice as often.
    """
    first = st.lists(opening, min_size=1, max_size=3, unique_by=_client)
    then = st.lists(st.one_of(*others, opening, closes), min_size=3, max_size=9)
    return st.builds(_joined(before), first, then)


def _client(step: Step) -> str:
    return step.client


def _joined(before: Conversation) -> Callable[[list[Step], list[Step]], Conversation]:
    return lambda first, then: (*before, *first, *then)
