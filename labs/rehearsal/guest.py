"""Somebody with a browser, who comes by the router under the name that the platform gave."""

from __future__ import annotations

import json
from typing import Any

from labs.harness.server import Person
from labs.harness.visitor import Visitor
from labs.rehearsal.router import HOST, Router

#: How long an answer may take (s).
PATIENCE = 300.0


class Guest(Visitor):
    """Pages and sockets are those of the app's own domain."""

    def __init__(self, router: Router) -> None:
        certificate = router.certificate.file
        super().__init__(HOST, router.https, certificate, plain_port=router.http, patience=PATIENCE)


def say_and_hear(speaker: Person, hearers: list[Person], text: str, handle: str) -> dict[str, Any]:
    """Let somebody say something; return the frame that all heard."""
    speaker.say(text, handle=handle)
    heard = [hearer.hear_message(f"^{text}$", PATIENCE) for hearer in hearers]
    if any(frame["id"] != heard[0]["id"] for frame in heard):
        raise AssertionError(f"All must hear one message, but they heard {json.dumps(heard)}")
    return heard[0]
