"""Parts of random conversations: speakers, texts, and sequences of steps."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from labs.genuine.comparison.steps import (
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

#: Frames without an object, or without JSON.
junk = st.sampled_from(("", "{", "no json", "null", "17", "[]", '"text"', "{}", "\u2028"))

#: The last is neither ASCII nor UTF-8.
data = st.sampled_from((b"", b"{}", b"raw bytes", b"\x00\x01", b"\xff\xfe"))
ascii_data = st.sampled_from((b"", b"{}", b"raw bytes", b"\x00\x01"))

codes = st.sampled_from((1000, 3000, 4000, 4321, 4999))


def connects(*paths: str) -> SearchStrategy[Connect]:
    """Open sockets at *paths*."""
    return st.builds(Connect, clients, st.sampled_from(paths))


def texts(frames: SearchStrategy[str]) -> SearchStrategy[Step]:
    """Send *frames*."""
    return st.builds(Text, clients, frames)


def bursts(frames: SearchStrategy[str]) -> SearchStrategy[Step]:
    """Send several of *frames* at once. None of them may close the socket."""
    return st.builds(Burst, clients, st.lists(frames, min_size=2, max_size=6).map(tuple))


def gets(*paths: str) -> SearchStrategy[Step]:
    """Request pages."""
    return st.builds(Get, clients, st.sampled_from(paths))


def posts(path: str, **fields: SearchStrategy[str]) -> SearchStrategy[Step]:
    """Send a form with *fields*."""
    return st.builds(Post, clients, st.just(path), st.fixed_dictionaries(fields))


binaries: SearchStrategy[Step] = st.builds(Binary, clients, data)
ascii_binaries: SearchStrategy[Step] = st.builds(Binary, clients, ascii_data)
closes: SearchStrategy[Step] = st.builds(Close, clients, codes)


def as_json(**fields: SearchStrategy[object]) -> SearchStrategy[str]:
    """Objects with *fields*, as JSON."""
    return st.fixed_dictionaries(fields).map(json.dumps)


@st.composite
def conversations(
    draw: st.DrawFn,
    opening: SearchStrategy[Connect],
    *others: SearchStrategy[Step],
    before: Conversation = (),
) -> Conversation:
    """Conversations that continue *before* with *opening*, closes and *others*.

    A strategy that is given twice is chosen twice as often. A client without a socket opens one
    before it sends, as far as is known here: it may be refused, or closed by a consumer.
    """
    steps = list(before)
    speakers: set[str] = set()
    for step in draw(st.lists(st.one_of(*others, opening, closes), min_size=4, max_size=9)):
        if isinstance(step, Connect | Text | Binary | Burst | Close):
            speaks = step.client in speakers
            if isinstance(step, Connect) and speaks:
                steps.append(Close(step.client))
            elif not isinstance(step, Connect) and not speaks:
                steps.append(replace(draw(opening), client=step.client))
            speakers.add(step.client)
        steps.append(step)
        if isinstance(step, Close):
            speakers.discard(step.client)
    return tuple(steps)
