"""Samples the load of Redis and PostgreSQL, from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import redis

from labs.harness.postgres import Postgres
from labs.rehearsal.key_value import KeyValue

#: The sampling interval (s).
PAUSE = 0.05

#: The app's open connections, and how many of them are without TLS.
OPEN = """SELECT count(*), count(*) FILTER (WHERE NOT ssl)
FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'chat'"""


@dataclass
class Peaks:
    """The maxima so far. *refused* are connections that Redis refused, *memory* is in bytes.

    *plain*: connections to PostgreSQL without TLS. *stood* is the longest stall of the machine (s).
    """

    redis: int = 0
    database: int = 0
    memory: int = 0
    refused: int = 0
    plain: int = 0
    stood: float = 0.0

    def see(self, other: Peaks) -> None:
        """Keep the higher value of each."""
        for name, value in vars(other).items():
            setattr(self, name, max(getattr(self, name), value))


class Gauge:
    """Samples during its `with` block. *whole* has the peaks of all of it."""

    def __init__(self, key_value: KeyValue, postgres: Postgres) -> None:
        self.key_value = key_value
        self.postgres = postgres
        self.whole = Peaks()
        self._since = Peaks()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._look_at, args=(look,), daemon=True)
            for look in (self._look_at_redis, self._look_at_postgres, self._look_at_clock)
        ]

    @contextmanager
    def running(self) -> Iterator[Gauge]:
        """Sample both."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def since(self) -> Peaks:
        """Return the peaks since the previous call."""
        with self._lock:
            found, self._since = self._since, Peaks()
        return found

    def _see(self, found: Peaks) -> None:
        with self._lock:
            self.whole.see(found)
            self._since.see(found)

    def _look_at(self, look: Callable[[], None]) -> None:
        """Sample repeatedly, also after a restart."""
        while not self._ended.is_set():
            try:
                look()
            except (redis.RedisError, psycopg.Error, OSError):
                self._ended.wait(PAUSE)

    def _look_at_redis(self) -> None:
        with closing(self.key_value.client()) as client:
            while not self._ended.wait(PAUSE):
                memory, stats = client.info("memory"), client.info("stats")
                self._see(
                    Peaks(
                        redis=len(self.key_value.connections(client)),
                        memory=int(memory["used_memory_peak"]),
                        refused=int(stats["rejected_connections"]),
                    )
                )

    def _look_at_postgres(self) -> None:
        with self.postgres.owner() as owner:
            while not self._ended.wait(PAUSE):
                row = owner.execute(OPEN).fetchone()
                if row:
                    self._see(Peaks(database=row[0], plain=row[1]))

    def _look_at_clock(self) -> None:
        since = time.monotonic()
        while not self._ended.wait(PAUSE):
            since, before = time.monotonic(), since
            self._see(Peaks(stood=since - before - PAUSE))
