"""A served room: its processes, in a folder of their own."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import pinned
from labs.benchmarks.serving.room import Room
from labs.harness import site as harness
from labs.harness.ports import free_port
from labs.harness.postgres import Postgres
from labs.harness.processes import Process
from labs.harness.project import ROOT
from labs.harness.server import Server
from labs.harness.site import WORKER_READY


class Site(harness.Site):
    """A room, on :class:`labs.harness.site.Site`. RuntimeError for an impossible arrangement."""

    def __init__(self, room: Room, arrangement: Arrangement, folder: Path) -> None:
        super().__init__(folder)
        self.room = room
        self.arrangement = arrangement
        self.postgres = Postgres(folder) if arrangement.has_postgres else None

    @property
    def urls(self) -> list[str]:
        """The addresses of the interface servers."""
        return [server.socket_url for server in self.servers]

    @property
    def pids(self) -> dict[str, list[int]]:
        """The process ids by role."""
        pids = {
            "server": [server.process.pid for server in self.servers],
            "worker": [worker.pid for worker in self.workers],
            "redis": [self.redis.process.pid] if self.room.has_redis else [],
        }
        if self.postgres is not None and self.postgres.process is not None:
            pids["database"] = [self.postgres.process.pid]
        return pids

    def as_dict(self) -> dict[str, Any]:
        """Return what a load needs to know about it."""
        return {
            "room": self.room.name,
            "urls": self.urls,
            "ports": [server.port for server in self.servers],
            "redis_port": self.redis.port if self.room.has_redis else None,
            "pids": self.pids,
            "visit": self.room.has_pages,
            "protocol": self.room.protocol,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes: for ``rooms.common``, and for the chat's settings."""
        given = {"redis": self.redis.url, "layer": self.room.layer}
        return {
            "BENCHMARK": json.dumps(given),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "DJANGO_SETTINGS_MODULE": self.room.settings,
            "ALLOWED_HOSTS": "127.0.0.1",
            "CHAT_RATE_LIMIT": "0",
            "CHAT_ADDRESS_RATE_LIMIT": "0",
            "CHAT_ARRIVAL_RATE_LIMIT": "0",
            "CHAT_ROOM_RATE_LIMIT": "0",
            "CONNECTIONS_PER_ADDRESS": "0",
            "DATABASE_URL": self._database,
            "DEBUG": "0",
            "HTTPS": "0",
            "LOG_LEVEL": "WARNING",
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": "benchmark" * 6,
            "STATIC_ROOT": str(self.folder / "static"),
            **self.room.variables,
        }

    @property
    def _database(self) -> str:
        if self.postgres is not None:
            return f"{self.postgres.url}?sslmode=require"
        return f"sqlite:///{self.folder / 'chat.sqlite3'}"

    def start(self) -> None:
        """Start everything. Returns when servers accept connections and workers listen."""
        self._check()
        raise_file_limit()
        with pinned(self.arrangement.cores):
            self._start()

    def _check(self) -> None:
        room, kind = self.room, self.arrangement.server
        if kind not in room.servers:
            there = ", ".join(room.servers)
            raise RuntimeError(f"{room.name} runs under {there}, not under {kind}: choose another.")
        if self.arrangement.servers > 1 and not room.has_redis:
            raise RuntimeError(f"{room.name} has no layer between servers: choose --servers 1.")
        for needed in (room.python, room.needs or room.python):
            if not needed.exists():
                raise RuntimeError(
                    f"There is no {needed}, which {room.name} runs with: the scripts "
                    "labs/benchmarks/serve and labs/benchmarks/compare make it."
                )

    def _start(self) -> None:
        if self.room.has_redis:
            self.redis.start()
        self._create_database()
        if self.room.has_pages:
            self.run(*self.room.django("collectstatic", "--no-input", "--verbosity", "0"))
        for _ in range(self.arrangement.servers):
            self._start_server(self.arrangement.server)
        for _ in range(self.arrangement.workers if self.room.has_workers else 0):
            self.start_worker()
        for server in self.servers:
            server.process.wait_until_listening(server.port)
        for worker in self.workers:
            worker.wait_for_line(WORKER_READY)

    def _create_database(self) -> None:
        if self.postgres is not None:
            self.folder.chmod(0o755)  # the server may run as another user
            self.postgres.create()
        if self.room.has_pages or self.room.has_rows:
            self.run(*self.room.django("migrate", "--run-syncdb", "--verbosity", "0"))

    def _start_server(self, kind: str) -> None:
        port = free_port()
        self.servers.append(Server(port, self.launch(self.room.server(kind, port), kind), kind))

    def start_worker(self) -> Process:
        """Start a worker. Returns at once."""
        command = self.room.worker(self.arrangement.threads)
        self.workers.append(self.launch(command, "worker"))
        return self.workers[-1]

    def kill(self) -> None:
        """Kill all, youngest first. PostgreSQL stops gracefully, with its children."""
        super().kill()
        if self.postgres is not None:
            self.postgres.stop()
            if self.postgres.process is not None:
                self.postgres.process.kill()  # which closes its output

    def ended(self) -> list[Process]:
        """Return those of its processes that have exited."""
        redis = [self.redis.process] if self.room.has_redis else []
        return [process for process in [*redis, *self.processes] if not process.is_running]


def raise_file_limit() -> None:
    """Raise the limit of open files of this process and its children to the machine's maximum."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
