"""The processes that harm is done to: Redis, interface servers, workers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis.status import read_status
from channels_workers.layers.status import Status
from labs.faults.clock.wall_clock import WallClock
from labs.faults.proxy import Proxy
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.procfile import read_procfile
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for

#: Said by a worker when it starts.
WORKER_READY = r"\bWorker \w+: .* listening on channels"

UVICORN = "uvicorn --host 127.0.0.1 --port $PORT chat_project.asgi:application"

#: What starts a process: the engine's folder goes first on PYTHONPATH.
ENGINE = ROOT


@dataclass(frozen=True)
class Setting:
    """What a fault wants to be done to: how many processes of which kind, with which limits.

    *limits* are CHANNEL_WORKERS, *redis* options of the command line of Redis, *clock* that of
    Redis, if it is not the machine's. *proxied*: processes
    reach Redis by a proxy.
    """

    servers: tuple[str, ...] = ("daphne", "daphne")
    workers: int = 3
    threads: int = 4
    limits: Mapping[str, Any] = field(default_factory=dict)
    redis: tuple[str, ...] = ()
    clock: WallClock | None = None
    proxied: bool = False


@dataclass
class Server:
    """An interface server."""

    kind: str
    port: int
    process: Process

    @property
    def url(self) -> str:
        """The address of its sockets."""
        return f"ws://127.0.0.1:{self.port}"


class Site:
    """Use it in a `with`; all of its processes end with the block.

    *folder* is empty; *engine* is the folder that ``channels_workers`` is imported from.
    """

    def __init__(self, folder: Path, setting: Setting, engine: Path = ENGINE) -> None:
        self.folder = folder
        self.setting = setting
        self.engine = engine
        self.redis = RedisServer(
            folder, *setting.redis, env=setting.clock.environment if setting.clock else None
        )
        #: Where processes look for Redis: itself, or a proxy before it.
        self.redis_url = self.redis.url
        self.proxy = Proxy(self.redis.port)
        self.processes = Processes(folder)
        self.servers: list[Server] = []
        self.workers: list[Process] = []

    def environment(self, engine: Path) -> dict[str, str]:
        """Return the variables of the processes; FAULTS is read by ``application.settings``."""
        given = {
            "redis": self.redis_url,
            "folder": str(self.folder),
            "limits": dict(self.setting.limits),
        }
        return {
            "FAULTS": json.dumps(given),
            "BIND": "127.0.0.1",
            "DJANGO_SETTINGS_MODULE": "labs.faults.application.settings",
            "PYTHONPATH": os.pathsep.join(map(str, dict.fromkeys([engine, ROOT]))),
        }

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            self.redis.start()
            if self.setting.proxied:
                self.proxy.start(self.engine)
                self.redis_url = f"redis://127.0.0.1:{self.proxy.port}/0"
            for kind in self.setting.servers:
                self.start_server(kind)
            started = [self.start_worker() for _ in range(self.setting.workers)]
            for worker in started:
                worker.wait_for_line(WORKER_READY)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill what still runs."""
        for process in reversed(self.processes.started):
            process.kill()
        self.proxy.stop()
        if self.redis.is_running:
            self.redis.process.kill()

    def command(self, line: str) -> list[str]:
        """Return a command of the Procfile, to be run for the project under load.

        ``python -m django`` is what ``manage.py`` is, but imports nothing from its own folder.
        """
        own = line.replace("chat_project.asgi", "labs.faults.application.asgi")
        own = own.replace("python manage.py", "python -m django")
        return ["/bin/sh", "-c", f"exec {own}"]

    def start_server(self, kind: str, port: int | None = None) -> Server:
        """Start an interface server; return when it takes connections."""
        port = port or free_port()
        line = {"daphne": read_procfile()["web"], "uvicorn": UVICORN}[kind]
        process = self.start(line, kind, {"PORT": str(port)})
        server = Server(kind, port, process.wait_until_listening(port))
        self.servers.append(server)
        return server

    def start_worker(self, *, wait: bool = False) -> Process:
        """Start a worker; return at once, or when it is ready."""
        threads = {"WORKER_THREADS": str(self.setting.threads)}
        worker = self.start(read_procfile()["worker"], "worker", threads)
        self.workers.append(worker)
        if wait:
            worker.wait_for_line(WORKER_READY)
        return worker

    def restart_dead_workers(self) -> int:
        """Start a worker for each that has ended, as a supervisor would; return how many."""
        dead = [worker for worker in self.workers if not worker.is_running]
        for worker in dead:
            self.workers.remove(worker)
            self.start_worker()
        return len(dead)

    def start(
        self, line: str, name: str, env: Mapping[str, str], engine: Path | None = None
    ) -> Process:
        """Start a line of the Procfile, on this engine or another one."""
        environment = {**self.environment(engine or self.engine), **env}
        return self.processes(self.command(line), name=name, env=environment, cwd=self.folder)

    def status(self) -> Status:
        """Return what the layer knows."""
        with self.redis.client() as client:
            return read_status(client, f"faults:{FORMAT_VERSION}:")

    def keys(self, pattern: str) -> list[str]:
        """Return the keys of the layer that match, without its prefix."""
        with self.redis.client() as client:
            found = [key.decode() for key in client.keys(f"faults:*:{pattern}")]
        return sorted(key.split(":", 2)[2] for key in found)

    def wait_for_keys(self, pattern: str, count: int, timeout: float) -> None:
        """Wait until so many keys match; AssertionError if they do not."""
        what = f"{count} keys {pattern}"
        wait_for(lambda: len(self.keys(pattern)) == count, what, timeout)
