"""Sends of which one fails, or whose consumer fails."""

from __future__ import annotations

from labs.genuine.comparison.demonstrations.visitor import (
    DIFFERENCES,
    SILENCE,
    has_ended,
    hear,
    open_socket,
    patience,
    start,
)
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.pages import Pages
from labs.genuine.comparison.site import Site


def observe_poison(site: Site) -> Seen:
    """Send something that cannot be serialised, between other messages."""
    worker = start(site)
    with open_socket(site, "/poison/") as socket:
        socket.send("now")
        heard = hear(socket, 3, patience(site))
    what = "raises at the send" if "cannot be sent" in heard else "raises nothing"
    lives = "its worker dies" if has_ended(worker, site) else "its worker lives"
    return Seen(f"{what}, {lives}", ", ".join(heard))


def observe_later(site: Site) -> Seen:
    """Let a consumer send something and postpone its message."""
    start(site)
    with open_socket(site, "/later/") as socket:
        socket.send("now")
        heard = hear(socket, 2)
        heard += hear(socket, 1, SILENCE)
    what = f"{heard.count('a run')} of 2 runs are heard"
    return Seen(what, ", ".join(heard))


def observe_view(site: Site) -> Seen:
    """Let a view send a message about a row, in a transaction that takes a while."""
    start(site)
    with open_socket(site, "/members/") as socket:
        answer = Pages(site.port).request("/store/")
        (heard,) = hear(socket, 1)
    return Seen(heard, answer)


def observe_close(site: Site) -> Seen:
    """Close with a code that is not allowed, and continue."""
    start(site)
    with open_socket(site, "/close/") as socket:
        socket.send("close")
        heard = hear(socket, 1, patience(site))
        if not heard:
            socket.send("still here")
            heard = hear(socket, 1)
    is_open = heard == ["still here"]
    return Seen("stays open" if is_open else ", ".join(heard))


VIEW = OnPurpose(
    name="views-send-at-once",
    reason="Sends of a view go out at once, so a consumer may run before the transaction ends. "
    "Use transaction.on_commit. In 1.1.8, and here with HTTP by workers, a view is a consumer of "
    "http.request, and its sends wait until it returns.",
    genuine="the row is there",
    ours="there is no row",
    application=DIFFERENCES,
    observe=observe_view,
)
CLOSE = OnPurpose(
    name="close-code-not-allowed",
    reason="A code that no server may send (1001) becomes 1000, with a log line. In 1.1.8 "
    "Daphne logs an error, and the socket stays open.",
    genuine="stays open",
    ours="closed with 1000",
    application=DIFFERENCES,
    observe=observe_close,
)
POISON = OnPurpose(
    name="message-without-encoding",
    reason="A message that cannot be encoded raises at its send. In 1.1.8 it raises after the "
    "consumer has returned, which ends the worker and loses the later sends.",
    genuine="raises nothing, its worker dies",
    ours="raises at the send, its worker lives",
    application=DIFFERENCES,
    observe=observe_poison,
)
LATER = OnPurpose(
    name="put-off",
    reason="ConsumeLater undoes the run, so only the last run sends. In 1.1.8 every run does.",
    genuine="2 of 2 runs are heard",
    ours="1 of 2 runs are heard",
    application=DIFFERENCES,
    observe=observe_later,
)
