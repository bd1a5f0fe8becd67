"""Data binding: rows that are rolled back, and what frames may set."""

from __future__ import annotations

import json
from typing import Any

from websockets.sync.client import ClientConnection

from labs.genuine.comparison.conversations.shelf import APPLICATIONS, change
from labs.genuine.comparison.demonstrations.visitor import hear, open_socket, start
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.pages import Pages
from labs.genuine.comparison.site import Site

(SHELF,) = APPLICATIONS
PATH = "/shelves/new/"


def observe_rollback(site: Site) -> Seen:
    """Let a view save a row and roll it back. Then save another row."""
    start(site)
    with open_socket(site, PATH) as socket:
        pages = Pages(site.port)
        pages.request("/books/undone/", {"title": "undone"})
        pages.request("/books/", {"title": "kept"})
        titles = [hear_book(socket)["data"]["title"]]
        while titles[-1] != "kept":
            titles.append(hear_book(socket)["data"]["title"])
    what = "sends a row that was rolled back" if "undone" in titles else "sends the saved row"
    return Seen(what, ", ".join(titles))


def observe_key(site: Site) -> Seen:
    """Create a row by a frame whose data have the primary key of another row."""
    start(site)
    Pages(site.port).request("/books/", {"title": "one"})
    with open_socket(site, PATH) as socket:
        socket.send(change("create", data={"id": 1, "title": "two"}))
        heard = hear_book(socket)
    what = "overwrites the other row" if heard["pk"] == 1 else "adds a row"
    return Seen(what, json.dumps(heard))


def observe_fields(site: Site) -> Seen:
    """Create a row by a frame that names a field that the binding does not send."""
    start(site)
    with open_socket(site, PATH) as socket:
        socket.send(change("create", data={"title": "one", "note": "of a client"}))
        hear_book(socket)
    (row,) = site.database.rows(["shelf_book"])["shelf_book"]
    what = "sets the field" if "note=of a client" in row else "does not set the field"
    return Seen(what, ", ".join(row))


def hear_book(socket: ClientConnection) -> Any:
    """Return the next payload of the stream of books."""
    while True:
        frame = json.loads(hear(socket, 1)[0])
        if frame["stream"] == "books":
            return frame["payload"]


ROLLBACK = OnPurpose(
    name="bound-row-rolled-back",
    reason="Data binding sends when the transaction commits. In 1.1.8 it sends with the consumer, "
    "and a view is one.",
    genuine="sends a row that was rolled back",
    ours="sends the saved row",
    application=SHELF,
    observe=observe_rollback,
)
KEY = OnPurpose(
    name="key-in-bound-data",
    reason="A primary key in the data of a frame is ignored. In 1.1.8 it selects the row, although "
    "has_permission did not see it.",
    genuine="overwrites the other row",
    ours="adds a row",
    application=SHELF,
    observe=observe_key,
)
FIELDS = OnPurpose(
    name="fields-of-a-create",
    reason="A client sets only the fields that the binding sends. In 1.1.8 it sets any when it "
    "creates a row.",
    genuine="sets the field",
    ours="does not set the field",
    application=SHELF,
    observe=observe_fields,
)
