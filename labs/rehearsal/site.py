"""The platform around the dynos: services, a router and gauges."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from labs.harness.crowd.chat_rows import Stored
from labs.harness.postgres import Postgres
from labs.harness.processes import Processes
from labs.rehearsal.app import App
from labs.rehearsal.gauge import Gauge
from labs.rehearsal.key_value import KeyValue
from labs.rehearsal.router import Router
from labs.rehearsal.slug import Slug

#: The messages of rooms with labels that begin alike, ordered by id.
ROWS = """SELECT chat_message.id, chat_room.label, nonce FROM chat_message
JOIN chat_room ON chat_room.id = room_id WHERE chat_room.label LIKE %s ORDER BY chat_message.id"""


def config_vars(definition: dict[str, Any]) -> dict[str, str]:
    """Return the config vars of a new app according to ``app.json``."""
    return {
        name: secrets.token_hex(32) if entry.get("generator") == "secret" else entry["value"]
        for name, entry in definition["env"].items()
    }


class Site:
    """Everything in *folder*. Nothing runs before its ``with``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes = Processes(folder)
        self.postgres = Postgres(folder)
        self.key_value = KeyValue(folder / "redis")
        self.router = Router(folder / "router", self.processes)
        self.gauge = Gauge(self.key_value, self.postgres)

    @contextmanager
    def running(self) -> Iterator[Site]:
        """Run the services. After the block all processes are stopped, dynos first."""
        with ExitStack() as stack:
            stack.callback(self.postgres.stop)
            self.postgres.create()
            stack.callback(self.key_value.stop)
            self.key_value.start()
            stack.callback(self.processes.kill)
            self.router.start()
            stack.enter_context(self.gauge.running())
            yield self

    def new_app(self, name: str, slug: Slug) -> App:
        """Create an app from its ``app.json``, with both services attached."""
        definition = json.loads((slug.folder / "app.json").read_text())
        services = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.key_value.url}
        return App(name, self.processes, config_vars(definition) | services, self.router.lead_to)

    def rows(self, label: str) -> list[Stored]:
        """Return the messages in rooms whose labels begin with *label*."""
        with self.postgres.owner() as owner:
            return [Stored(*row) for row in owner.execute(ROWS, (f"{label}%",)).fetchall()]
