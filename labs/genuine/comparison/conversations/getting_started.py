"""Conversations with each step of the tutorial."""

from __future__ import annotations

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

PACKAGE = "getting_started"
URLS = "getting_started.urls"

EVERYBODY_HEARS: Conversation = (
    Connect("ann", "/"),
    Text("ann", "alone"),
    Connect("bob", "/somewhere/else/"),
    Connect("cem", "/"),
    Text("bob", "👋🏽"),
    Burst("ann", ("one", "two", "three")),
    Close("cem"),
    Text("bob", "two are left"),
    Connect("cem", "/"),
    Text("cem", "back again"),
)

BYTES_ARE_AN_ERROR: Conversation = (
    Connect("ann", "/"),
    Binary("ann", b"bytes"),
    Text("ann", ""),
    Text("ann", "text"),
)

ROOMS_OF_PATHS: Conversation = (
    Connect("ann", "/rooms/lobby/?name=ann"),
    Connect("bob", "/rooms/lobby/"),
    Connect("cem", "/rooms/garden/?name=cem"),
    Text("ann", "in the lobby"),
    Text("bob", "who is here?"),
    Text("cem", "in the garden"),
    Close("bob"),
    Connect("bob", "/rooms/garden/?name=b%C3%B6b"),
    Text("bob", "in the garden too"),
)

ROOMS_OF_QUERIES: Conversation = (
    Connect("ann", "/rooms/?room=lobby&name=ann"),
    Connect("bob", "/rooms/?name=bob"),
    Connect("bob", "/rooms/?room=no+room&name=bob"),
    Connect("bob", "/rooms/lobby/?room=garden&name=bob"),
    Text("bob", "the path wins"),
    Connect("cem", "/other/"),
    Text("cem", "nobody listens"),
    Connect("ann", "/rooms/"),
)

USERS_OF_A_LETTER: Conversation = (
    Post("ann", "/enter/", {"name": "ann"}),
    Post("bob", "/enter/", {"name": "bob"}),
    Post("cem", "/enter/", {"name": "Alan"}),
    Connect("ann", "/"),
    Connect("bob", "/"),
    Connect("cem", "/"),
    Text("ann", "those with an A"),
    Text("bob", "alone with a B"),
    Text("cem", "I am here too"),
    Close("ann"),
    Text("cem", "gone"),
)

GUESTS: Conversation = (
    Connect("ann", "/"),
    Post("bob", "/enter/", {"name": "Özge"}),
    Connect("bob", "/"),
    Text("ann", "no name"),
    Text("bob", "a name beyond ASCII"),
    Post("ann", "/enter/", {"name": "ann"}),
    Text("ann", "still a guest on this socket"),
    Close("ann"),
    Connect("ann", "/"),
    Text("ann", "now with a name"),
)

FRAMES_ARE_COUNTED: Conversation = (
    Connect("ann", "/"),
    Connect("bob", "/"),
    Burst("ann", tuple(f"text {number}" for number in range(1, 21))),
    Text("bob", "mine is the first"),
    Binary("ann", b"bytes count too"),
    Text("ann", ""),
    Close("ann", 4321),
    Connect("ann", "/"),
    Text("ann", "begins again"),
    Close("bob"),
)

PAGES_ARE_COUNTED: Conversation = (
    Connect("ann", "/once/"),
    Connect("bob", "/known/"),
    Close("ann"),
    Close("bob"),
    Get("ann", "/visit/"),
    Get("ann", "/visit/"),
    Post("bob", "/enter/", {"name": "bob"}),
    Connect("ann", "/once/"),
    Connect("bob", "/known/"),
    Text("ann", "nobody listens"),
    Connect("cem", "/once/?session_key=stale"),
)

PAGES_SEEN_MEANWHILE: Conversation = (
    Get("ann", "/visit/"),
    Connect("ann", "/again/"),
    Text("ann", ""),
    Get("ann", "/visit/"),
    Text("ann", "how many?"),
    Connect("bob", "/again/"),
    Text("bob", "how many?"),
    Get("bob", "/visit/"),
    Text("bob", "still without a session"),
)

A_NEW_MEMBER_HEARS_EARLIER_SENDS: Conversation = (
    Connect("ann", "/"),
    Connect("bob", "/"),
    Text("ann", ".tea +tea"),
    Text("bob", "!tea +tea !tea .tea -tea !tea"),
    Text("ann", "-tea .tea +tea"),
    Text("ann", "-all !all +all .all -all"),
    Text("bob", ".all"),
)

moves = st.lists(
    st.builds("".join, st.tuples(st.sampled_from("+-!."), st.sampled_from(("tea", "all")))),
    min_size=1,
    max_size=6,
).map(" ".join)

says = parts.texts(parts.words)
enters = parts.posts("/enter/", name=st.sampled_from(("ann", "Alan", "bob", "Özge", "1st")))
visits = parts.gets("/visit/")

APPLICATIONS = (
    Application(
        name="everybody",
        package=PACKAGE,
        routing="getting_started.everybody.channel_routing",
        shows="one group with everybody in it",
        recorded={"everybody hears": EVERYBODY_HEARS, "bytes are an error": BYTES_ARE_AN_ERROR},
        random=parts.conversations(
            parts.connects("/", "/somewhere/else/"),
            says,
            says,
            parts.texts(parts.junk),
            parts.binaries,
            parts.bursts(parts.words),
        ),
        urls=URLS,
    ),
    Application(
        name="rooms",
        package=PACKAGE,
        routing="getting_started.rooms.channel_routing",
        shows="rooms by path, and names in the channel session",
        recorded={"rooms of paths": ROOMS_OF_PATHS, "rooms of queries": ROOMS_OF_QUERIES},
        random=parts.conversations(
            parts.connects(
                "/rooms/lobby/",
                "/rooms/lobby/?name=ann",
                "/rooms/?room=lobby&name=%F0%9F%91%8B",
                "/rooms/garden/?name=",
                "/rooms/?room=garden&name=b&name=c",
                "/rooms/?room=",
                "/rooms/No/",
            ),
            says,
            says,
            parts.texts(parts.junk),
            parts.binaries,
            parts.bursts(parts.words),
        ),
        urls=URLS,
    ),
    Application(
        name="users",
        package=PACKAGE,
        routing="getting_started.users.channel_routing",
        shows="users, copied from the HTTP session",
        recorded={"users of a letter": USERS_OF_A_LETTER, "guests": GUESTS},
        random=parts.conversations(
            parts.connects("/"),
            enters,
            says,
            says,
            parts.binaries,
            parts.bursts(parts.words),
            before=(Post("ann", "/enter/", {"name": "ann"}),),
        ),
        urls=URLS,
    ),
    Application(
        name="moves",
        package=PACKAGE,
        routing="getting_started.moves.channel_routing",
        shows="joins and leaves that act at once, and sends that wait",
        recorded={"a new member hears earlier sends": A_NEW_MEMBER_HEARS_EARLIER_SENDS},
        random=parts.conversations(parts.connects("/"), parts.texts(moves), parts.texts(moves)),
        urls=URLS,
    ),
    Application(
        name="ordered",
        package=PACKAGE,
        routing="getting_started.ordered.channel_routing",
        shows="frames that are counted, with `enforce_ordering`",
        recorded={"frames are counted": FRAMES_ARE_COUNTED},
        random=parts.conversations(
            parts.connects("/"),
            says,
            parts.texts(parts.junk),
            parts.bursts(parts.words),
            parts.bursts(parts.words),
        ),
        urls=URLS,
    ),
    Application(
        name="visits",
        package=PACKAGE,
        routing="getting_started.visits.channel_routing",
        shows="sessions of views, seen from sockets",
        recorded={
            "pages are counted": PAGES_ARE_COUNTED,
            "pages seen meanwhile": PAGES_SEEN_MEANWHILE,
        },
        random=parts.conversations(
            parts.connects("/once/", "/known/", "/again/", "/again/", "/elsewhere/"),
            visits,
            visits,
            enters,
            says,
            says,
        ),
        urls=URLS,
    ),
)
