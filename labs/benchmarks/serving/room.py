"""How to serve a room."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The kinds of interface servers. The last is Node.js, which only its own room runs on.
SERVERS = ("daphne", "uvicorn", "node")


@dataclass(frozen=True)
class Room:
    """*application* is what interface servers serve, *settings* a Django settings module.

    *layer* is BACKEND and CONFIG of the channel layer, without its address. None without a layer:
    such a room *uses_redis* by itself, or has no Redis.
    *has_pages*: visits to pages create its rooms, which are stored in a database. So are the
    messages of a room that *has_rows*. *variables* extend the environment of its processes.
    """

    name: str
    describes: str
    application: str
    settings: str = ""
    layer: Mapping[str, Any] | None = None
    has_workers: bool = False
    has_pages: bool = False
    has_rows: bool = False
    uses_redis: bool = False
    #: What its sockets speak: a name of ``load.protocols``.
    protocol: str = "plain"
    variables: Mapping[str, str] = field(default_factory=dict)
    #: A folder of packages beside *python*, if any.
    needs: Path | None = None
    python: Path = field(default_factory=lambda: Path(sys.executable))
    servers: tuple[str, ...] = ("daphne", "uvicorn")
    daphne_options: tuple[str, ...] = ("--websocket_timeout", "-1")

    @property
    def has_redis(self) -> bool:
        """Whether it needs a Redis."""
        return self.uses_redis or self.layer is not None

    def server(self, kind: str, port: int) -> list[str]:
        """Return the command of an interface server. It logs no requests."""
        if kind == "node":
            return [str(self.python), self.application, str(port)]
        if kind == "uvicorn":
            address = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
            return [str(self.python), "-m", "uvicorn", *address, self.application]
        address = ["-b", "127.0.0.1", "-p", str(port), "-v", "0"]
        daphne = str(self.python.parent / "daphne")
        return [daphne, *address, *self.daphne_options, self.application]

    def django(self, *arguments: str) -> list[str]:
        """Return a command of Django."""
        return [str(self.python), "-m", "django", *arguments]

    def worker(self, threads: int) -> list[str]:
        """Return the command of a worker. It keeps its database connection, as in the Procfile."""
        command = self.django("runworker", "--threads", str(threads))
        return ["env", "DATABASE_CONN_MAX_AGE=60", *command]
