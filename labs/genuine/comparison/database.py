"""The SQLite file of a site: its rows, and resetting it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from labs.genuine.comparison.times import without_times

#: Time-out of a lock (s).
TIMEOUT = 60.0

Rows = list[list[str]]


class Database:
    """The file at *path*, which processes of the site have open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first = sqlite3.connect(":memory:", check_same_thread=False)

    def keep(self) -> None:
        """Save its content for `restore`."""
        with closing(self._connect()) as connection:
            connection.backup(self._first)

    def restore(self) -> None:
        """Restore the content of the last `keep`."""
        with closing(self._connect()) as connection:
            self._first.backup(connection)

    def rows(self, tables: Iterable[str]) -> dict[str, Rows]:
        """Return the rows of each table ordered by id, without times."""
        with closing(self._connect()) as connection:
            return {table: _rows(connection, table) for table in tables}

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=TIMEOUT)


def _rows(connection: sqlite3.Connection, table: str) -> Rows:
    cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY 1')  # noqa: S608
    columns = [column for column, *_ in cursor.description]
    return [
        [f"{name}={without_times(str(value))}" for name, value in sorted(zip(columns, row))]  # noqa: B905
        for row in cursor
    ]
