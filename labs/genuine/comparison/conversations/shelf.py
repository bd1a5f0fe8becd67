"""Conversations about books, by data binding."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.conversations import parts
from labs.genuine.comparison.conversations.login import account, logs_in, logs_out
from labs.genuine.comparison.steps import Burst, Close, Connect, Conversation, Post, Text


def change(action: str, stream: str = "books", **payload: object) -> str:
    """Return the frame of an action."""
    return json.dumps({"stream": stream, "payload": {"action": action, **payload}})


FRAMES_CHANGE_BOOKS: Conversation = (
    Connect("ann", "/shelves/new/"),
    Connect("bob", "/shelves/tea/"),
    Text("ann", change("create", data={"title": "Grüße 👋🏽", "price": "9.90"})),
    Text("ann", change("create", data={"title": "secret", "shelf": "tea"})),
    Text("bob", change("update", pk=1, data={"title": "renamed", "note": "not sent, not set"})),
    Text("bob", change("update", pk=1, data={"shelf": "tea"})),
    Text("bob", change("update", pk=1, data={"price": "10.00"})),
    Text("ann", change("delete", pk=1)),
    Close("bob"),
    Text("ann", change("create", data={"title": "for ann"})),
)

USERS_DELETE: Conversation = (
    *account("ann", "ann"),
    Connect("ann", "/shelves/new/"),
    Connect("bob", "/shelves/new/"),
    Text("bob", change("create", data={"title": "one"})),
    Text("bob", change("delete", pk=1)),
    Text("ann", change("delete", pk=1)),
    Text("ann", change("delete", pk=1)),
    Post("ann", "/logout/"),
    Text("bob", change("create", data={"title": "two"})),
    Text("ann", change("delete", pk=2)),
)

PAGES_CHANGE_BOOKS: Conversation = (
    Connect("ann", "/shelves/new/"),
    Connect("bob", "/shelves/tea/"),
    Post("cem", "/books/", {"title": "one"}),
    Post("cem", "/books/1/", {"shelf": "tea"}),
    Post("cem", "/books/1/", {}),
    Post("cem", "/books/1/", {"shelf": "new"}),
    Post("cem", "/books/1/delete/"),
    Post("cem", "/books/1/"),
)

MISTAKES: Conversation = (
    Connect("ann", "/shelves/new/"),
    Text("ann", change("create", data={"title": "one"})),
    Text("ann", change("explode", pk=1)),
    Text("ann", change("update", pk=7, data={"title": "nothing"})),
    Text("ann", change("update", pk="no number", data={"title": "nothing"})),
    Text("ann", change("update", pk=1)),
    Text("ann", change("update", pk=1, data={"nothing": 1})),
    Text("ann", change("create", data={"price": "expensive"})),
    Text("ann", change("create")),
    Text("ann", change("update", "moves", pk=1, data={"title": "by the other stream"})),
    Text("ann", change("update", "nothing", pk=1, data={"title": "by no stream"})),
    Text("ann", json.dumps({"stream": "books", "payload": {}})),
    Text("ann", "no JSON"),
    Text("ann", change("update", pk=1, data={"title": "still here"})),
)

IN_A_ROW: Conversation = (
    Connect("ann", "/shelves/new/"),
    Burst("ann", tuple(change("create", data={"title": str(one)}) for one in range(5))),
)

shelves = st.sampled_from(("new", "tea"))
keys = st.sampled_from((1, 2, 3, "1", None))
titles = parts.words.map(lambda words: words[:200])
new = st.fixed_dictionaries({}, optional={"title": titles, "shelf": shelves})
data = st.fixed_dictionaries(
    {},
    optional={
        "title": titles,
        "shelf": shelves,
        "price": st.sampled_from(("0.50", "12", "1.25", "free")),
        "note": st.just("a note"),
    },
)
streams = st.sampled_from(("books", "books", "books", "moves"))


def changes(*actions: str, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[str]:
    """Frames of *actions*."""
    payload = st.fixed_dictionaries({"action": st.sampled_from(actions), **fields})
    return parts.as_json(stream=streams, payload=payload)


APPLICATIONS = (
    Application(
        name="shelf",
        package="shelf",
        routing="shelf.routing.channel_routing",
        shows="data binding: models that send to streams, and frames that change models",
        recorded={
            "frames change books": FRAMES_CHANGE_BOOKS,
            "users delete": USERS_DELETE,
            "pages change books": PAGES_CHANGE_BOOKS,
            "mistakes": MISTAKES,
            "in a row": IN_A_ROW,
        },
        random=parts.conversations(
            parts.connects("/shelves/new/", "/shelves/new/", "/shelves/tea/"),
            parts.texts(changes("create", data=new)),
            parts.texts(changes("create", data=new)),
            parts.texts(changes("update", pk=keys, data=data)),
            parts.texts(changes("update", pk=keys, data=data)),
            parts.texts(changes("delete", "explode", pk=keys)),
            parts.texts(parts.junk),
            parts.posts("/books/", title=parts.words),
            parts.posts("/books/1/", shelf=shelves),
            parts.posts("/books/1/delete/"),
            logs_in,
            logs_out,
            before=account("ann", "ann"),
        ),
        tables=("shelf_book",),
        urls="shelf.urls",
    ),
)
