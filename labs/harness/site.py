"""A site: a Redis, interface servers and workers, with a folder of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from labs.harness.commands import run
from labs.harness.processes import Process, Processes
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server

#: Said by a worker when it is ready, of this engine and of 1.1.8.
WORKER_READY = r"(?i)\blistening on channels"


class Site:
    """Use it in a `with`; all of its processes are killed with the block.

    *folder* is there and empty. Subclasses say what is started.
    """

    def __init__(self, folder: Path, redis: RedisServer | None = None) -> None:
        self.folder = folder
        self.redis = redis or RedisServer(folder)
        self.processes = Processes(folder)
        self.servers: list[Server] = []
        self.workers: list[Process] = []

    @property
    def environment(self) -> dict[str, str]:
        """The variables of all of its processes."""
        return {"REDIS_URL": self.redis.url}

    @property
    def cwd(self) -> Path:
        """Where its processes run."""
        return self.folder

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start what is there from the beginning: Redis, unless a subclass has more."""
        self.redis.start()

    def launch(
        self, command: Sequence[str | Path], name: str, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a process; *env* adds to its environment."""
        environment = {**self.environment, **(env or {})}
        return self.processes(command, name=name, env=environment, cwd=self.cwd)

    def run(self, *command: str | Path) -> str:
        """Run a command to its end; return what it wrote. Failed if its status is not 0."""
        return run(*command, cwd=self.cwd, env=self.environment).decode()

    def replace_dead_workers(self) -> int:
        """Start a worker for each that has ended, as a supervisor would; return how many."""
        dead = [worker for worker in self.workers if not worker.is_running]
        for worker in dead:
            self.workers.remove(worker)
            self.start_worker()
        return len(dead)

    def start_worker(self) -> Process:
        """Start a worker; return at once."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a worker is started.")

    def running(self) -> list[Process]:
        """All of its processes that have not ended, Redis first."""
        redis = [self.redis.process] if self.redis.is_running else []
        return [*redis, *(process for process in self.processes if process.is_running)]

    def stop(self) -> None:
        """End all in order, the youngest first; AssertionError if one had to be killed."""
        try:
            self.processes.stop()
        finally:
            self.redis.stop()

    def kill(self) -> None:
        """End all at once, the youngest first."""
        self.processes.kill()
        if self.redis.is_running:
            self.redis.process.kill()

    def describe(self) -> str:
        """What its processes wrote."""
        return self.processes.describe()
