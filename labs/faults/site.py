"""The processes that faults happen to: Redis, interface servers, workers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis.status import read_status
from channels_workers.layers.status import Status
from labs.faults.clock.wall_clock import WallClock
from labs.faults.proxy import Proxy
from labs.harness import site as harness
from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.procfile import in_shell, read_procfile, server_line
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.site import WORKER_READY
from labs.harness.waiting import wait_for

#: The folder of the engine, which goes first on PYTHONPATH.
ENGINE = ROOT


def python_path(engine: Path) -> str:
    """Return the PYTHONPATH of processes that import the engine of that folder."""
    return os.pathsep.join(map(str, dict.fromkeys([engine, ROOT])))


@dataclass(frozen=True)
class Setting:
    """The setup of a fault: how many processes of which kind, with which limits.

    *limits* are CHANNEL_WORKERS, *redis* command line options of Redis, *clock* its clock, if it is
    not the machine's. *proxied*: processes reach Redis through a proxy.
    """

    servers: tuple[str, ...] = ("daphne", "daphne")
    workers: int = 3
    threads: int = 4
    limits: Mapping[str, Any] = field(default_factory=dict)
    redis: tuple[str, ...] = ()
    clock: WallClock | None = None
    proxied: bool = False


class Site(harness.Site):
    """The project under load, on :class:`labs.harness.site.Site`.

    *engine* is the folder that ``channels_workers`` is imported from.
    """

    #: How the keys of the layer begin.
    prefix = "faults"

    def __init__(self, folder: Path, setting: Setting, engine: Path = ENGINE) -> None:
        clock = setting.clock.environment if setting.clock else None
        super().__init__(folder, RedisServer(folder, *setting.redis, env=clock))
        self.setting = setting
        self.engine = engine
        #: The address of Redis for processes: its own, or what is in front of it.
        self.redis_url: Any = self.redis.url
        self.proxy = Proxy(self.redis.port)

    @property
    def hosts(self) -> Any:
        """The hosts of the layer, in a form of its option."""
        return [self.redis_url]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the processes. ``application.settings`` reads FAULTS."""
        given = {
            "redis": self.redis_url,
            "hosts": self.hosts,
            "folder": str(self.folder),
            "limits": dict(self.setting.limits),
        }
        return {
            "FAULTS": json.dumps(given),
            "BIND": "127.0.0.1",
            "DJANGO_SETTINGS_MODULE": "labs.faults.application.settings",
            "PYTHONPATH": python_path(self.engine),
        }

    def start(self) -> None:
        """Start everything."""
        super().start()
        self.start_before_redis()
        self.start_processes()

    def start_processes(self) -> None:
        """Start servers and workers."""
        for kind in self.setting.servers:
            self.start_server(kind)
        self.start_workers()

    def start_workers(self) -> None:
        """Start the workers, and wait until they are ready."""
        started = [self.start_worker() for _ in range(self.setting.workers)]
        for worker in started:
            worker.wait_for_line(WORKER_READY)

    def start_before_redis(self) -> None:
        """Start what is in front of Redis, which runs."""
        if self.setting.proxied:
            self.proxy.start(self.engine)
            self.redis_url = f"redis://127.0.0.1:{self.proxy.port}/0"

    def kill(self) -> None:
        """Kill what still runs."""
        self.processes.kill()
        self.proxy.stop()
        super().kill()

    def command(self, line: str) -> list[str]:
        """Return a command of the Procfile, adapted to the project under load.

        ``python -m django`` equals ``manage.py``, but imports nothing from its own folder.
        """
        own = line.replace("chat_project.asgi", "labs.faults.application.asgi")
        return in_shell(own.replace("python manage.py", "python -m django"))

    def start_server(self, kind: str, port: int | None = None) -> Server:
        """Start an interface server. Returns when it accepts connections."""
        port = port or free_port()
        process = self.launch(self.command(server_line(kind)), kind, {"PORT": str(port)})
        server = Server(port, process.wait_until_listening(port), kind)
        self.servers.append(server)
        return server

    def start_worker(self) -> Process:
        """Start a worker. Returns at once."""
        threads = {"WORKER_THREADS": str(self.setting.threads)}
        self.workers.append(self.start_line("worker", "worker", threads))
        return self.workers[-1]

    def start_line(self, kind: str, name: str, env: Mapping[str, str]) -> Process:
        """Start a line of the Procfile."""
        return self.launch(self.command(read_procfile()[kind]), name, env)

    def status(self) -> Status:
        """Return the status of the layer."""
        with self.redis.client() as client:
            return read_status(client, f"{self.prefix}:{FORMAT_VERSION}:")

    @property
    def all_redis(self) -> list[RedisServer]:
        """Each Redis that has data of the layer."""
        return [self.redis]

    def keys(self, pattern: str) -> list[str]:
        """Return the layer's keys that match, without its prefix, each once."""
        found = set[str]()
        for server in self.all_redis:
            with server.client() as client:
                found |= {key.decode() for key in client.keys(f"{self.prefix}:*:{pattern}")}
        return sorted(key.split(":", 2)[2] for key in found)

    def wait_for_keys(self, pattern: str, count: int, timeout: float) -> None:
        """Wait until *count* keys match. AssertionError after a time-out."""
        what = f"{count} keys {pattern}"
        wait_for(lambda: len(self.keys(pattern)) == count, what, timeout)
