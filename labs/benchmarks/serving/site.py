"""A room that is served: its processes, in a folder of their own."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import pinned
from labs.benchmarks.serving.room import Room
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes, clean_environment
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer

#: Said by a worker of either engine when it is ready.
WORKER_READY = r"(?i)\blistening on channels"


class Site:
    """Use it in a `with`; all of its processes are killed with the block, unless stopped before.

    *folder* is empty. RuntimeError if the room cannot be served so.
    """

    def __init__(self, room: Room, arrangement: Arrangement, folder: Path) -> None:
        self.room = room
        self.arrangement = arrangement
        self.folder = folder
        self.redis = RedisServer(folder)
        self.ports = [free_port() for _ in range(arrangement.servers)]
        self.servers: list[Process] = []
        self.workers: list[Process] = []
        self._processes = Processes(folder)
        self._has_redis = False

    @property
    def urls(self) -> list[str]:
        """The addresses of the interface servers."""
        return [f"ws://127.0.0.1:{port}" for port in self.ports]

    @property
    def pids(self) -> dict[str, list[int]]:
        """The ids of its processes by role."""
        return {
            "server": [process.pid for process in self.servers],
            "worker": [process.pid for process in self.workers],
            "redis": [self.redis.process.pid] if self._has_redis else [],
        }

    def describe(self) -> dict[str, Any]:
        """Return what a load must know of it."""
        return {
            "room": self.room.name,
            "urls": self.urls,
            "ports": self.ports,
            "redis_port": self.redis.port if self.room.layer else None,
            "pids": self.pids,
            "visit": self.room.has_pages,
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
            "CONNECTIONS_PER_ADDRESS": "0",
            "DATABASE_URL": f"sqlite:///{self.folder / 'chat.sqlite3'}",
            "DEBUG": "0",
            "HTTPS": "0",
            "LOG_LEVEL": "WARNING",
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": "benchmark" * 6,
            "STATIC_ROOT": str(self.folder / "static"),
        }

    def __enter__(self) -> Self:
        """Start everything; return when the servers take connections and the workers listen."""
        self._check()
        raise_file_limit()
        try:
            with pinned(self.arrangement.cores):
                self._start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def _check(self) -> None:
        room, kind = self.room, self.arrangement.server
        if kind not in room.servers:
            there = ", ".join(room.servers)
            raise RuntimeError(f"{room.name} runs under {there}, not under {kind}: choose another.")
        if self.arrangement.servers > 1 and not room.layer:
            raise RuntimeError(f"{room.name} has no layer between servers: choose --servers 1.")
        if not room.python.exists():
            raise RuntimeError(
                f"There is no {room.python}, which {room.name} runs with: the scripts "
                "labs/benchmarks/serve and labs/benchmarks/compare make it."
            )

    def _start(self) -> None:
        if self.room.layer:
            self.redis.start()
            self._has_redis = True
        if self.room.has_pages:
            self._run("migrate", "--verbosity", "0")
            self._run("collectstatic", "--no-input", "--verbosity", "0")
        kind, count = self.arrangement.server, self.arrangement.workers
        for port in self.ports:
            self.servers.append(self._process(self.room.server(kind, port), kind))
        for _ in range(count if self.room.has_workers else 0):
            command = self.room.worker(self.arrangement.threads)
            self.workers.append(self._process(command, "worker"))
        for server, port in zip(self.servers, self.ports, strict=True):
            server.wait_until_listening(port)
        for worker in self.workers:
            worker.wait_for_line(WORKER_READY)

    def _process(self, command: list[str], name: str) -> Process:
        return self._processes(command, name=name, env=self.environment, cwd=self.folder)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            self.room.django(*arguments),
            cwd=self.folder,
            env=clean_environment() | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.room.name}: {arguments[0]} failed:\n{done.stderr}")

    def ended(self) -> list[Process]:
        """Return those of its processes that do not run any more."""
        return [process for process in self._all() if not process.is_running]

    def stop(self) -> None:
        """End all processes in order, the youngest first; those that do not are killed."""
        self._end(lambda process: process.stop())

    def kill(self) -> None:
        """End all processes at once."""
        self._end(lambda process: process.kill())

    def _all(self) -> list[Process]:
        redis = [self.redis.process] if self._has_redis else []
        return [*redis, *self._processes.started]

    def _end(self, end: Callable[[Process], None]) -> None:
        for process in reversed(self._all()):
            end(process)


def raise_file_limit() -> None:
    """Let this process and its children have as many sockets as the machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
