"""A site: Redis, interface servers and workers, with their own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from labs.harness.commands import run
from labs.harness.processes import Process, Processes
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server

#: Workers log this line when they are ready. 1.1.8 logs it too.
WORKER_READY = r"(?i)\blistening on channels"


class Site:
    """Use it in a `with` block, which kills all of its processes at the end.

    *folder* must exist and be empty. Subclasses decide which processes start.
    """

    def __init__(self, folder: Path, redis: RedisServer | None = None) -> None:
        self.folder = folder
        self.redis = redis or RedisServer(folder)
        self.processes = Processes(folder)
        self.servers: list[Server] = []
        self.workers: list[Process] = []

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all of its processes."""
        return {"REDIS_URL": self.redis.url}

    @property
    def cwd(self) -> Path:
        """The working directory of its processes."""
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
        """Start the initial processes: Redis, and more in subclasses."""
        self.redis.start()

    def launch(
        self, command: Sequence[str | Path], name: str, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a process. *env* extends the environment."""
        environment = {**self.environment, **(env or {})}
        return self.processes(command, name=name, env=environment, cwd=self.cwd)

    def run(self, *command: str | Path) -> str:
        """Run a command and return its output. Failed if its status is not 0."""
        return run(*command, cwd=self.cwd, env=self.environment).decode()

    def replace_dead_workers(self) -> int:
        """Start a worker for each that has exited, like a supervisor. Returns how many."""
        dead = [worker for worker in self.workers if not worker.is_running]
        for worker in dead:
            self.workers.remove(worker)
            self.start_worker()
        return len(dead)

    def start_worker(self) -> Process:
        """Start a worker without waiting for it."""
        raise NotImplementedError(f"{type(self).__name__} does not define how a worker starts.")

    def running(self) -> list[Process]:
        """All of its live processes, Redis first."""
        redis = [self.redis.process] if self.redis.is_running else []
        return [*redis, *(process for process in self.processes if process.is_running)]

    def stop(self) -> None:
        """Stop all, youngest first. AssertionError if one had to be killed."""
        try:
            self.processes.stop()
        finally:
            self.redis.stop()

    def kill(self) -> None:
        """Kill all, youngest first."""
        self.processes.kill()
        if self.redis.is_running:
            self.redis.process.kill()

    def describe(self) -> str:
        """The output of its processes."""
        return self.processes.describe()
