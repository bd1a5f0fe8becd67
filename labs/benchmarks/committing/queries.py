"""Counts the queries of a message: ``python -m labs.benchmarks.committing.queries``.

It prints their number. BEGIN and COMMIT count, as they are round trips too.
"""

from __future__ import annotations

import logging
from pathlib import Path

import django
from django.conf import settings

from channels_workers.test import Client
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.serving.site import Site
from labs.harness.report import say

MEMORY = "channels_workers.layers.memory.InMemoryChannelLayer"
TEXT = '{"handle": "ann", "message": "hi"}'


def queries_of(room: str, folder: Path) -> int:
    """Return how many queries a message of *room* makes, in a new database in *folder*."""
    site = Site(find_room(room), Arrangement(), folder)
    site.run(*site.room.django("migrate", "--run-syncdb", "--verbosity", "0"))
    return int(site.run(str(site.room.python), "-m", __name__))


class _Statements(logging.Handler):
    """Collects the statements of all threads."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def main() -> None:
    """Run two messages of a socket, and print the number of queries of the second."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}}
    settings.DEBUG = True  # which makes connections log their statements
    django.setup()
    statements = _Statements()
    logger = logging.getLogger("django.db.backends")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(statements)
    logger.propagate = False
    client = Client()
    client.send_and_consume("websocket.connect", {"path": "/chat/room/", "headers": []})
    for _ in range(2):
        statements.texts.clear()
        client.send_and_consume("websocket.receive", {"text": TEXT})
    say(str(len(statements.texts)))


if __name__ == "__main__":
    main()
