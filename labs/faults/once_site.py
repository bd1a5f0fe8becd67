"""The rooms with ``@once`` and a real PostgreSQL, as the target of faults."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from labs.faults.site import ENGINE, Setting, Site
from labs.harness.postgres import Postgres

#: The tables of the consumers. No key keeps a second run from writing a line again.
TABLES = """CREATE TABLE line (id bigserial PRIMARY KEY, key text, number int);
CREATE TABLE counter (id int PRIMARY KEY, value int);
INSERT INTO counter SELECT id, 0 FROM generate_series(1, 3) AS id;
CREATE TABLE ordered (number int);
CREATE TABLE taken (number int)"""


class Line(NamedTuple):
    """A row of the table: the visit and the number of a message."""

    id: int
    key: str
    number: int


class OnceSite(Site):
    """Runs ``application.with_once`` on PostgreSQL."""

    application: ClassVar[str] = "with_once"
    tables: ClassVar[str] = TABLES

    def __init__(self, folder: Path, setting: Setting, engine: Path = ENGINE) -> None:
        super().__init__(folder, setting, engine)
        self.postgres = Postgres(folder)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the processes."""
        return {
            **super().environment,
            "DJANGO_SETTINGS_MODULE": f"labs.faults.application.{self.application}.settings",
            "PGHOST": str(self.postgres.folder),
            "PGPORT": str(self.postgres.port),
        }

    def start(self) -> None:
        """Start the database, create the tables, start everything else."""
        self.postgres.create()
        self.run(sys.executable, "-m", "django", "migrate", "--verbosity", "0", "--skip-checks")
        with self.postgres.owner() as owner:
            # A thread and a coroutine have a connection each.
            owner.execute("ALTER ROLE chat CONNECTION LIMIT 60")
            owner.execute("SET ROLE chat")
            for statement in self.tables.split(";"):
                owner.execute(statement)
        super().start()

    def kill(self) -> None:
        """Kill what still runs, and stop the database."""
        super().kill()
        self.postgres.stop()
        if self.postgres.process is not None:
            self.postgres.process.kill()  # which closes its output

    def lines(self) -> list[Line]:
        """Return what the consumers have stored, in its order."""
        query = "SELECT id, key, number FROM line ORDER BY id"
        return [Line(*row) for row in self.ask(query)]

    def committed(self) -> int:
        """Return how many rows ``@once`` has stored."""
        [(count,)] = self.ask("SELECT count(*) FROM channels_workers_committedmessage")
        return int(count)

    def stored(self) -> int:
        """Return how many sends are stored that no worker has relayed."""
        [(count,)] = self.ask("SELECT count(*) FROM channels_workers_storedsend")
        return int(count)

    def orders(self, table: str) -> list[int]:
        """Return the orders in a *table*: ``ordered`` by views, ``taken`` by consumers."""
        return sorted(number for (number,) in self.ask(f"SELECT number FROM {table}"))  # noqa: S608

    def counters(self) -> list[int]:
        """Return the values of the counters."""
        return [value for (value,) in self.ask("SELECT value FROM counter ORDER BY id")]

    def logged(self, text: str) -> int:
        """Return how many lines with *text* the workers have logged, those that ended included."""
        workers = [process for process in self.processes if process.name == "worker"]
        return sum(text in line for worker in workers for line in worker.lines)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.postgres.owner() as owner:
            return owner.execute(query).fetchall()
