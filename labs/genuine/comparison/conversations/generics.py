"""Conversations with class-based consumers."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.conversations import parts
from labs.genuine.comparison.conversations.login import USERS, logs_in, logs_out
from labs.genuine.comparison.steps import Binary, Burst, Close, Connect, Conversation, Post, Text


def on(stream: str, **payload: object) -> str:
    """Return the frame of *payload* on *stream*."""
    return json.dumps({"stream": stream, "payload": payload})


ROOMS: Conversation = (
    Connect("ann", "/rooms/lobby/"),
    Connect("bob", "/rooms/lobby/"),
    Connect("cem", "/rooms/garden/"),
    Text("ann", "to the lobby"),
    Text("cem", "TO EVERYBODY"),
    Binary("bob", b"\x00\xff"),
    Text("ann", ""),
    Close("bob", 4000),
    Text("ann", "alone"),
)

COUNTERS: Conversation = (
    Connect("ann", "/counter/"),
    Connect("bob", "/counter/short/"),
    Burst("ann", ("one", "two", "three")),
    Text("bob", "one"),
    Text("bob", "two, which is the last"),
    Binary("ann", b"four"),
    Text("ann", "five, which is the last"),
    Connect("ann", "/counter/"),
    Text("ann", "one again"),
)

DOORS: Conversation = (
    Connect("ann", "/doors/deny/"),
    Connect("ann", "/doors/close/"),
    Connect("ann", "/doors/open/"),
    Connect("bob", "/rooms/lobby/"),
    Text("bob", "TO ALL"),
    Text("ann", "4321"),
    Connect("ann", "/doors/open/"),
    Text("ann", "no number"),
    Text("bob", "TO ALL WHO ARE LEFT"),
)

MEMBERS: Conversation = (
    Connect("ann", "/json/members/"),
    *USERS,
    Connect("ann", "/json/members/"),
    Connect("bob", "/json/members/"),
    Text("ann", '{"any": ["JSON", 1, null]}'),
    Text("bob", "no JSON"),
    Binary("bob", b'"bytes"'),
    Text("bob", '"bye"'),
    Text("ann", '"is bob gone?"'),
    Connect("bob", "/json/members/quiet/"),
    Text("bob", '"alone here"'),
)

TASKS: Conversation = (
    Connect("ann", "/json/guests/"),
    *USERS,
    Connect("bob", "/json/guests/formal/"),
    Text("ann", '{"task": "sum", "numbers": [1, 2, 3]}'),
    Text("bob", '{"task": "count", "numbers": [1, 2, 3]}'),
    Text("ann", '{"task": "count", "numbers": []}'),
    Text("ann", '{"task": "sum", "numbers": ["a"]}'),
    Text("ann", '{"task": "sum"}'),
    Text("ann", "[]"),
    Burst("ann", tuple(f'{{"task": "sum", "numbers": [{number}]}}' for number in range(5))),
)

STREAMS: Conversation = (
    Connect("ann", "/desks/one/"),
    Connect("bob", "/desks/two/"),
    Text("ann", on("notes", text="for both 👋🏽")),
    Text("ann", on("sums", number=2)),
    Text("bob", on("sums", number=40)),
    Text("ann", on("sums", number=3)),
    Text("ann", on("sums")),
    Text("ann", on("other", number=1)),
    Text("ann", '{"stream": "notes"}'),
    Text("ann", '{"stream": "notes", "payload": "no object"}'),
    Text("ann", "no JSON"),
    Close("bob"),
    Text("ann", on("notes", text="alone")),
)

UNROUTED: Conversation = (
    Connect("ann", "/rooms/LOBBY/"),
    Text("ann", "accepted, and not heard"),
    Connect("bob", "/json/"),
    Post("bob", "/logout/"),
)

shouts = st.sampled_from(("TO ALL", "HÖRT, HÖRT"))
numbers = st.lists(st.integers(-5, 5), max_size=3)
tasks = parts.as_json(task=st.sampled_from(("sum", "count")), numbers=numbers)
sum_tasks = parts.as_json(task=st.just("sum"), numbers=numbers)
no_tasks = st.one_of(parts.as_json(task=st.just("sum")), parts.junk)
notes = parts.as_json(stream=st.just("notes"), payload=st.fixed_dictionaries({"text": parts.words}))
sums = parts.as_json(
    stream=st.just("sums"), payload=st.fixed_dictionaries({"number": st.integers(-5, 5)})
)
no_streams = st.one_of(
    parts.as_json(stream=st.sampled_from(("notes", "other", 1, None))),
    parts.as_json(stream=st.sampled_from(("sums", "other")), payload=st.just({})),
    parts.as_json(stream=st.just("notes"), payload=st.sampled_from(("text", None, [1]))),
)
contents = st.one_of(parts.junk, parts.words.map(json.dumps), st.just('"bye"'))

APPLICATIONS = (
    Application(
        name="generics",
        package="generics",
        routing="generics.routing.channel_routing",
        shows="class-based consumers, JSON, and a demultiplexer of streams",
        recorded={
            "rooms": ROOMS,
            "counters": COUNTERS,
            "doors": DOORS,
            "members": MEMBERS,
            "tasks": TASKS,
            "streams": STREAMS,
            "unrouted": UNROUTED,
        },
        random=st.one_of(
            parts.conversations(
                parts.connects(
                    "/rooms/lobby/",
                    "/rooms/lobby/",
                    "/rooms/garden/",
                    "/counter/",
                    "/doors/open/",
                    "/doors/deny/",
                ),
                parts.texts(parts.words),
                parts.texts(shouts),
                parts.texts(st.sampled_from(("4000", "1000", ""))),
                parts.binaries,
            ),
            parts.conversations(
                parts.connects("/json/members/", "/json/members/quiet/", "/json/guests/"),
                parts.texts(contents),
                parts.texts(contents),
                parts.texts(st.one_of(tasks, no_tasks)),
                logs_in,
                logs_out,
                parts.binaries,
                before=USERS,
            ),
            parts.conversations(
                parts.connects("/json/guests/", "/json/guests/formal/"),
                parts.texts(tasks),
                parts.bursts(sum_tasks),
                parts.texts(no_tasks),
            ),
            parts.conversations(
                parts.connects("/desks/one/", "/desks/two/"),
                parts.texts(notes),
                parts.texts(sums),
                parts.bursts(st.one_of(notes, sums)),
                parts.texts(st.one_of(no_streams, parts.junk)),
                parts.binaries,
            ),
        ),
        urls="login.urls",
    ),
)
