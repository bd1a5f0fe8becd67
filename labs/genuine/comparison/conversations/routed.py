"""Conversations for each route, and for the defaults."""

from __future__ import annotations

from hypothesis import strategies as st

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.conversations import parts
from labs.genuine.comparison.steps import Binary, Burst, Close, Connect, Conversation, Text

PATHS: Conversation = (
    Connect("ann", "/shops/books/"),
    Connect("bob", "/shops/books/shelves/12/"),
    Connect("cem", "/shops/books/shelves/12/left"),
    Close("cem"),
    Connect("cem", "/shops/%C3%BCber/shelves/1/"),
    Close("bob"),
    Connect("bob", "/shops/books/shelves/none/"),
    Text("ann", "from a shop"),
    Text("bob", "from a shelf that is none"),
)

PRECEDENCE: Conversation = (
    Connect("ann", "/order/12/"),
    Connect("bob", "/order/twelve/"),
    Connect("cem", "/order/12twelve/"),
    Close("cem"),
    Connect("cem", "/order/"),
    Text("cem", "accepted by the default"),
)

QUERIES: Conversation = (
    Connect("ann", "/token/?token=abc123"),
    Connect("bob", "/token/?token="),
    Connect("cem", "/token/?more=1&token=abc123"),
    Text("ann", "frames of this path are not routed"),
    Close("ann"),
    Connect("ann", "/token/?token=abc123&more=1"),
)

FRAMES: Conversation = (
    Connect("ann", "/frames/"),
    Text("ann", "plain"),
    Text("ann", "/sing"),
    Text("ann", "/sing a song, 日本語"),
    Text("ann", "/ no command"),
    Text("ann", ""),
    Text("ann", "\nbegins with a line's end"),
    Binary("ann", b"printable"),
    Binary("ann", b"\x00"),
    Text("ann", "/wrong"),
    Text("ann", "after a mistake"),
)

RELAYS: Conversation = (
    Connect("ann", "/frames/"),
    Text("ann", "/relay one first"),
    Text("ann", "/relay two second 👋🏽"),
    Text("ann", "/relay none third"),
    Text("ann", "/relay four fourth"),
    Burst("ann", ("/relay one a", "/relay one b", "/relay one c")),
)

CLOSES: Conversation = (
    Connect("ann", "/frames/"),
    Text("ann", "/close 4321"),
    Connect("ann", "/frames/"),
    Text("ann", "/close 1000"),
    Connect("ann", "/frames/"),
    Text("ann", "/close 3000"),
    Text("ann", "nobody hears this"),
    Connect("ann", "/frames/"),
    Text("ann", "/farewell"),
)

DOORS: Conversation = (
    Connect("ann", "/doors/denied/"),
    Connect("ann", "/gates/denied/"),
    Connect("ann", "/doors/denied-late/"),
    Connect("ann", "/doors/wrong-late/"),
    Text("ann", "open, and not routed"),
    Connect("bob", "/doors/elsewhere/"),
)

#: The first handshake times out, after seconds.
NO_ANSWER: Conversation = (
    Connect("ann", "/doors/silent/"),
    Connect("ann", "/frames/"),
    Text("ann", "goes on"),
)

NOBODY_LISTENS: Conversation = (
    Connect("ann", "/"),
    Text("ann", "hello?"),
    Binary("ann", b"\x00"),
    Connect("bob", "/any/path/?at=all"),
    Close("ann", 3000),
    Connect("ann", "/"),
)

frames = st.one_of(
    parts.words,
    parts.junk,
    st.sampled_from(("/sing", "/sing a song", "/ ", "/wrong", "/relay four x", "//")),
)
relays: st.SearchStrategy[str] = st.builds(
    lambda name, text: f"/relay {name} {text}", st.sampled_from(("one", "two", "none")), parts.words
)
closing = st.sampled_from(("/close 1000", "/close 3000", "/close 4999", "/farewell"))

APPLICATIONS = (
    Application(
        name="routed",
        package="routed",
        routing="routed.routing.channel_routing",
        shows="routing by path, query and frame; `include`; named groups",
        recorded={
            "paths": PATHS,
            "precedence": PRECEDENCE,
            "queries": QUERIES,
            "frames": FRAMES,
            "relays": RELAYS,
            "closes": CLOSES,
            "doors": DOORS,
            "no answer": NO_ANSWER,
        },
        # Bursts contain no relayed frames, because answers of other channels may overtake. Bytes
        # are ASCII: a filter on others ends the worker of 1.1.8.
        random=parts.conversations(
            parts.connects(
                "/frames/",
                "/frames/",
                "/shops/books/",
                "/shops/books/shelves/1/right",
                "/order/1/",
                "/order/one/",
                "/token/?token=abc",
                "/doors/denied/",
                "/gates/denied-late/",
                "/doors/wrong-late/",
                "/elsewhere/",
            ),
            parts.texts(frames),
            parts.texts(frames),
            parts.texts(relays),
            parts.texts(closing),
            parts.bursts(frames),
            parts.ascii_binaries,
        ),
    ),
    Application(
        name="not-routed",
        package="routed",
        routing="routed.routing.no_routing",
        shows="behaviour without any route",
        recorded={"nobody listens": NOBODY_LISTENS},
        random=parts.conversations(
            parts.connects("/", "/any/path/?at=all"), parts.texts(parts.words), parts.binaries
        ),
    ),
)
