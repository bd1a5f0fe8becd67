"""What becomes of sends when something is wrong with one of them, or with their consumer."""

from __future__ import annotations

from legacy.comparison.demonstrations.visitor import DIFFERENCES, hear, open_socket, start
from legacy.comparison.difference import OnPurpose, Seen
from legacy.comparison.site import Site


def observe_poison(site: Site) -> Seen:
    """Send something that has no encoding, between other things."""
    worker = start(site)
    with open_socket(site, "/poison/") as socket:
        socket.send("now")
        heard = hear(socket, 3)
    what = "raises at the send" if "cannot be sent" in heard else "raises nothing"
    lives = "its worker lives" if worker.is_running else "its worker dies"
    return Seen(f"{what}, {lives}", ", ".join(heard))


def observe_later(site: Site) -> Seen:
    """Let a consumer send something, and put its message off."""
    start(site)
    with open_socket(site, "/later/") as socket:
        socket.send("now")
        heard = hear(socket, 3)
    what = f"{heard.count('a run')} of 2 runs are heard"
    return Seen(what, ", ".join(heard))


POISON = OnPurpose(
    name="message-without-encoding",
    reason="What cannot travel raises where it is sent. In 1.1.8 it raises when the consumer has "
    "returned, which ends the worker, and what should be sent after it is lost.",
    genuine="raises nothing, its worker dies",
    ours="raises at the send, its worker lives",
    application=DIFFERENCES,
    observe=observe_poison,
)
LATER = OnPurpose(
    name="put-off",
    reason="A run that ends in ConsumeLater is undone: only the last one sends. In 1.1.8 "
    "each does.",
    genuine="2 of 2 runs are heard",
    ours="1 of 2 runs are heard",
    application=DIFFERENCES,
    observe=observe_later,
)
