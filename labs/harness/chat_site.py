"""The chat on this machine: commands of the Procfile, Redis and SQLite."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.procfile import server_command, shell_command
from labs.harness.project import ROOT
from labs.harness.server import Server
from labs.harness.site import WORKER_READY, Site


class ChatSite(Site):
    """Starts Redis and creates the database. The caller starts servers and workers.

    *settings* extend the environment.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.database = folder / "chat.sqlite3"
        self._settings = dict(settings or {})

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all of its processes."""
        database = {"DATABASE_URL": f"sqlite:///{self.database}"}
        return {**super().environment, **database, **self._settings}

    @property
    def cwd(self) -> Path:
        """The checkout, which has ``manage.py``."""
        return ROOT

    def start(self) -> None:
        """Start Redis, create the database."""
        super().start()
        self.manage("migrate", "--noinput", "--verbosity", "0")

    def manage(self, *arguments: str) -> str:
        """Run a command of ``manage.py`` and return its output."""
        return self.run(sys.executable, "manage.py", *arguments)

    def start_server(self, kind: str = "daphne") -> Server:
        """Start an interface server and wait until it accepts connections."""
        port = free_port()
        process = self.launch(server_command(kind), kind, {"PORT": str(port)})
        self.servers.append(Server(port, process.wait_until_listening(port), kind))
        return self.servers[-1]

    def start_worker(self) -> Process:
        """Start a worker without waiting for it."""
        self.workers.append(self.launch(shell_command("worker"), "worker"))
        return self.workers[-1]

    def wait_for_workers(self) -> None:
        """Wait until all workers are ready."""
        for worker in self.workers:
            worker.wait_for_line(WORKER_READY)
