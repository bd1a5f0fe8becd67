"""Conversations in the rooms of 2016."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.conversations import parts
from labs.genuine.comparison.steps import (
    Binary,
    Burst,
    Close,
    Connect,
    Conversation,
    Get,
    Step,
    Text,
)


def said(handle: str, message: str) -> str:
    """Return the frame in which *handle* says *message*."""
    return json.dumps({"handle": handle, "message": message})


ROOMS: Conversation = (Get("ann", "/lobby/"), Get("bob", "/garden/"))

TWO_IN_A_ROOM: Conversation = (
    Get("ann", "/lobby/"),
    Connect("ann", "/chat/lobby/"),
    Connect("bob", "/chat/lobby/"),
    Text("ann", said("ann", "hello")),
    Text("bob", said("bob", "👋🏽 hello, ann")),
    Close("bob"),
    Text("ann", said("ann", "where are you?")),
    Get("cem", "/lobby/"),
)

TWO_ROOMS: Conversation = (
    *ROOMS,
    Connect("ann", "/chat/lobby/"),
    Connect("bob", "/chat/garden/"),
    Text("ann", said("ann", "in the lobby")),
    Text("bob", said("bob", "in the garden")),
    Close("ann", 4000),
    Connect("ann", "/chat/garden/"),
    Text("ann", said("ann", "in the garden now")),
    Get("ann", "/lobby/"),
    Get("ann", "/garden/"),
)

NO_SUCH_ROOM: Conversation = (
    Connect("ann", "/chat/attic/"),
    Connect("ann", "/lobby/"),
    Get("ann", "/attic/"),
    Connect("ann", "/chat/attic/"),
    Text("ann", said("ann", "there it is")),
)

WRONG_FRAMES: Conversation = (
    Get("ann", "/lobby/"),
    Connect("ann", "/chat/lobby/"),
    Text("ann", ""),
    Text("ann", "{"),
    Text("ann", "[]"),
    Text("ann", '{"handle": "ann"}'),
    Text("ann", '{"handle": "ann", "message": 1}'),
    Text("ann", '{"handle": "ann", "message": "x", "more": ""}'),
    Binary("ann", b'{"handle": "ann", "message": "bytes"}'),
    Text("ann", said("", "")),
    Get("ann", "/lobby/"),
)

FIFTY_ARE_SHOWN: Conversation = (
    Get("ann", "/lobby/"),
    Connect("ann", "/chat/lobby/"),
    Burst("ann", tuple(said("ann", f"number {number}") for number in range(52))),
    Get("bob", "/lobby/"),
)

right = parts.as_json(handle=st.sampled_from(("ann", "bob", "")), message=parts.words)
wrong = st.one_of(
    parts.junk,
    parts.as_json(handle=st.just("ann")),
    parts.as_json(handle=st.just("ann"), message=st.sampled_from((1, None, ["x"]))),
    parts.as_json(handle=st.just("ann"), message=parts.words, more=st.just("")),
)
says: st.SearchStrategy[Step] = parts.texts(right)

APPLICATIONS = (
    Application(
        name="roomchat",
        package="roomchat",
        routing="roomchat.routing.channel_routing",
        shows="rooms in the database, one page and one group each",
        recorded={
            "two in a room": TWO_IN_A_ROOM,
            "two rooms": TWO_ROOMS,
            "no such room": NO_SUCH_ROOM,
            "wrong frames": WRONG_FRAMES,
            "fifty are shown": FIFTY_ARE_SHOWN,
        },
        random=parts.conversations(
            parts.connects("/chat/lobby/", "/chat/lobby/", "/chat/garden/", "/chat/attic/"),
            says,
            says,
            parts.texts(wrong),
            parts.binaries,
            parts.bursts(st.one_of(right, wrong)),
            parts.gets("/lobby/", "/garden/", "/attic/"),
            before=ROOMS,
        ),
        tables=("roomchat_room", "roomchat_message"),
        urls="roomchat.urls",
    ),
)
