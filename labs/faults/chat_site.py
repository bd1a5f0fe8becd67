"""The real chat, with SQLite, as the subject of harm."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Self

from labs.faults.chat_rows import Stored
from labs.faults.site import Site
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT


class ChatSite(Site):
    """Runs ``chat_project`` instead of the project under load."""

    @property
    def database(self) -> Path:
        """The file of its database."""
        return self.folder / "chat.sqlite3"

    def environment(self, engine: Path) -> dict[str, str]:
        """Return the variables of the processes."""
        return {
            "BIND": "127.0.0.1",
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "REDIS_PREFIX": "faults",
            "CHAT_RATE_LIMIT": "0",
            # Who is closed first comes back to this server, whose port is taken until the last is.
            "DRAIN_TIME": "3",
            "DJANGO_SETTINGS_MODULE": "chat_project.settings",
            "PYTHONPATH": os.pathsep.join(map(str, dict.fromkeys([engine, ROOT]))),
        }

    def command(self, line: str) -> list[str]:
        """Return a command of the Procfile; see :class:`Site`."""
        own = line.replace("python manage.py", "python -m django")
        return ["/bin/sh", "-c", f"exec {own}"]

    def __enter__(self) -> Self:
        """Make the database, start everything."""
        command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        command += ["--skip-checks"]
        environment = clean_environment() | self.environment(self.engine)
        subprocess.run(command, env=environment, cwd=self.folder, check=True)
        return super().__enter__()

    def rows(self) -> list[Stored]:
        """Return all stored messages, by their ids."""
        query = (
            "SELECT chat_message.id, chat_room.label, nonce FROM chat_message "
            "JOIN chat_room ON chat_room.id = room_id ORDER BY chat_message.id"
        )
        with closing(sqlite3.connect(self.database)) as database:
            return [Stored(*row) for row in database.execute(query)]
