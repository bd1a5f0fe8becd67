"""Who answers, and when, if no consumer does."""

from __future__ import annotations

import time

from websockets.exceptions import InvalidMessage, InvalidStatus

from labs.genuine.comparison.demonstrations.visitor import DIFFERENCES, open_socket, patience, start
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.pages import Pages
from labs.genuine.comparison.site import Site


def observe_silence(site: Site) -> Seen:
    """Open a socket whose connect consumer does not answer."""
    return observe_handshake(site, "/silent/")


def observe_mistake(site: Site) -> Seen:
    """Open a socket whose connect consumer raises before its answer."""
    return observe_handshake(site, "/wrong/")


def observe_handshake(site: Site, path: str) -> Seen:
    """Open a socket at *path*."""
    start(site)
    since = time.monotonic()
    try:
        open_socket(site, path).close()
    except InvalidStatus as error:
        what = f"refuses with {error.response.status_code}"
    except InvalidMessage:
        what = "cuts the line without an answer"
    else:
        what = "accepts"
    return Seen(what, f"after {time.monotonic() - since:.0f} s")


def observe_page(site: Site) -> Seen:
    """Request a page while there is no worker."""
    site.start_server()
    try:
        answer = Pages(site.port).request("/page/", timeout=patience(site))
    except TimeoutError:
        return Seen("lets the client wait")
    return Seen("answers", answer)


SILENCE = OnPurpose(
    name="no-answer-to-a-handshake",
    reason="A handshake without an answer gets 403 after HANDSHAKE_TIMEOUT (4 s; 3 s here). "
    "Daphne 1.4.2 has a time-out of 20 s for this, but cuts the connection after 5 s.",
    genuine="cuts the line without an answer",
    ours="refuses with 403",
    application=DIFFERENCES,
    observe=observe_silence,
)
MISTAKE = OnPurpose(
    name="mistake-in-a-handshake",
    reason="A connect consumer that raises before its answer refuses the socket at once.",
    genuine="cuts the line without an answer",
    ours="refuses with 403",
    application=DIFFERENCES,
    observe=observe_mistake,
)
PAGE = OnPurpose(
    name="pages-without-workers",
    reason="Django answers HTTP in the interface server, if not by workers. In 1.1.8 workers do.",
    genuine="lets the client wait",
    ours="answers",
    application=DIFFERENCES,
    observe=observe_page,
)
