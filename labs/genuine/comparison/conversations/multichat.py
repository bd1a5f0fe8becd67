"""Conversations on one socket for many rooms."""

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
    Post,
    Text,
)


def frame(command: str, **content: object) -> str:
    """Return the frame of a command."""
    return json.dumps({"command": command, **content})


ROOMS: Conversation = (
    Post("ann", "/rooms/", {"title": "lobby"}),
    Post("ann", "/rooms/", {"title": "garden"}),
)

TWO_IN_TWO_ROOMS: Conversation = (
    *ROOMS,
    Connect("ann", "/stream/ann/"),
    Connect("bob", "/stream/bob/"),
    Text("ann", frame("join", room=1)),
    Text("bob", frame("join", room=1)),
    Text("bob", frame("join", room=2)),
    Text("ann", frame("send", room=1, text="in the lobby")),
    Text("bob", frame("send", room=2, text="alone in the garden")),
    Text("bob", frame("leave", room=1)),
    Text("ann", frame("send", room=1, text="are you there?")),
    Close("bob"),
    Text("ann", frame("join", room=2)),
)

ERRORS: Conversation = (
    *ROOMS,
    Connect("ann", "/stream/ann/"),
    Text("ann", ""),
    Text("ann", "[1]"),
    Text("ann", '{"room": 1}'),
    Text("ann", frame("join")),
    Text("ann", frame("join", room=True)),
    Text("ann", frame("join", room=3)),
    Text("ann", frame("send", room=1, text="not in it")),
    Text("ann", frame("leave", room=1)),
    Text("ann", frame("dance", room=1)),
    Binary("ann", b'{"command": "join", "room": 1}'),
    Text("ann", frame("join", room=1, reply_channel="of another")),
)

MANY_COMMANDS_AT_ONCE: Conversation = (
    *ROOMS,
    Connect("ann", "/stream/ann/"),
    Connect("bob", "/stream/bob/"),
    Text("bob", frame("join", room=1)),
    Burst(
        "ann",
        (
            frame("join", room=1),
            frame("send", room=1, text="one"),
            frame("send", room=2, text="not yet"),
            frame("join", room=2),
            frame("send", room=2, text="two"),
            frame("leave", room=1),
            frame("send", room=1, text="no more"),
        ),
    ),
    Close("ann", 3000),
    Text("bob", frame("send", room=1, text="still here")),
)

THE_SOCKET_LEAVES_ALL: Conversation = (
    *ROOMS,
    Connect("ann", "/stream/ann/"),
    Connect("bob", "/stream/b%C3%B6b/"),
    Burst("ann", (frame("join", room=1), frame("join", room=2), frame("join", room=1))),
    Burst("bob", (frame("join", room=2), frame("join", room=1))),
    Close("bob"),
    Connect("bob", "/stream/bob/"),
    Text("bob", frame("send", room=1, text="a new socket is in no room")),
    Get("bob", "/rooms/"),
)

NOWHERE: Conversation = (
    *ROOMS,
    Connect("ann", "/stream/no name/".replace(" ", "%20")),
    Text("ann", frame("join", room=1)),
    Connect("bob", "/elsewhere/"),
    Text("bob", frame("join", room=1)),
    Close("ann"),
)

room = st.sampled_from((1, 1, 2, 3))
right = st.one_of(
    parts.as_json(command=st.just("join"), room=room),
    parts.as_json(command=st.just("send"), room=room, text=parts.words),
    parts.as_json(command=st.just("leave"), room=room),
)
wrong = st.one_of(
    parts.junk,
    parts.as_json(command=st.sampled_from(("join", "send", "leave", "dance", ""))),
    parts.as_json(command=st.sampled_from((1, None, ["join"])), room=room),
    parts.as_json(command=st.just("join"), room=st.sampled_from(("1", None, True, 1.5, -1))),
)

APPLICATIONS = (
    Application(
        name="multichat",
        package="multichat",
        routing="multichat.routing.channel_routing",
        shows="many rooms over one socket, and a channel of its own for commands",
        recorded={
            "two in two rooms": TWO_IN_TWO_ROOMS,
            "errors": ERRORS,
            "many commands at once": MANY_COMMANDS_AT_ONCE,
            "the socket leaves all": THE_SOCKET_LEAVES_ALL,
            "nowhere": NOWHERE,
        },
        # Bursts contain only valid frames: an error from the socket's own consumer may overtake the
        # answers of the consumers behind it.
        random=parts.conversations(
            parts.connects("/stream/ann/", "/stream/bob/", "/stream/cem/"),
            parts.texts(right),
            parts.texts(right),
            parts.texts(right),
            parts.texts(wrong),
            parts.binaries,
            parts.bursts(right),
            parts.gets("/rooms/"),
            before=ROOMS,
        ),
        tables=("multichat_room",),
        urls="multichat.urls",
    ),
)
