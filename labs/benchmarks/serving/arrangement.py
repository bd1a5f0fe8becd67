"""The number and kind of processes that serve a room, and their cores."""

from __future__ import annotations

from dataclasses import dataclass

from labs.benchmarks.serving.cores import ANY, Cores


@dataclass(frozen=True)
class Arrangement:
    """*server* is the kind of the interface servers. Each worker has *threads* threads.

    Without *has_postgres* the database is SQLite.
    """

    server: str = "daphne"
    servers: int = 1
    workers: int = 1
    threads: int = 1
    cores: Cores = ANY
    has_postgres: bool = False
