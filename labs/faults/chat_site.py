"""The real chat, with SQLite, as the target of faults."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from labs.faults.site import Site, python_path
from labs.harness.crowd.chat_rows import Stored
from labs.harness.procfile import in_shell


class ChatSite(Site):
    """Runs ``chat_project`` instead of the project under load."""

    @property
    def database(self) -> Path:
        """The file of its database."""
        return self.folder / "chat.sqlite3"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the processes."""
        return {
            "BIND": "127.0.0.1",
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "REDIS_PREFIX": "faults",
            "CHAT_RATE_LIMIT": "0",
            # A client that is closed first returns to this server, whose port stays in use until
            # the last is closed.
            "DRAIN_TIME": "3",
            "DJANGO_SETTINGS_MODULE": "chat_project.settings",
            "PYTHONPATH": python_path(self.engine),
        }

    def command(self, line: str) -> list[str]:
        """Return a command of the Procfile; see :class:`Site`."""
        return in_shell(line.replace("python manage.py", "python -m django"))

    def start(self) -> None:
        """Create the database, start everything."""
        self.run(sys.executable, "-m", "django", "migrate", "--verbosity", "0", "--skip-checks")
        super().start()

    def rows(self) -> list[Stored]:
        """Return all stored messages, ordered by id."""
        query = (
            "SELECT chat_message.id, chat_room.label, nonce FROM chat_message "
            "JOIN chat_room ON chat_room.id = room_id ORDER BY chat_message.id"
        )
        with closing(sqlite3.connect(self.database)) as database:
            return [Stored(*row) for row in database.execute(query)]
