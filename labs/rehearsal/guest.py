"""A person with a browser, who comes through the router under the platform's host name."""

from __future__ import annotations

import json
from typing import Any

from labs.harness.server import Person
from labs.harness.visitor import Visitor
from labs.rehearsal.router import HOST, Router

#: Time-out of an answer (s).
TIMEOUT = 300.0


class Guest(Visitor):
    """Uses pages and sockets of the app's own domain."""

    def __init__(self, router: Router) -> None:
        certificate = router.certificate.file
        super().__init__(HOST, router.https, certificate, plain_port=router.http, timeout=TIMEOUT)


def say_and_hear(speaker: Person, hearers: list[Person], text: str, handle: str) -> dict[str, Any]:
    """Let somebody send a message. Returns the frame that everybody received."""
    speaker.say(text, handle=handle)
    heard = [hearer.hear_message(f"^{text}$", TIMEOUT) for hearer in hearers]
    if any(frame["id"] != heard[0]["id"] for frame in heard):
        raise AssertionError(f"All must hear one message, but they heard {json.dumps(heard)}")
    return heard[0]
