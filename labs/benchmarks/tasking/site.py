"""A runner of tasks: Redis, a database if it has one, a worker, and a process that enqueues."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis.status import read_status
from labs.benchmarks.runners.diary import LINE
from labs.benchmarks.tasking.diary import Runs, read
from labs.benchmarks.tasking.subjects import Subject
from labs.harness import site as harness
from labs.harness.postgres import Postgres
from labs.harness.processes import Process, clean_environment
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

#: The first number of tasks that only show that a worker is ready, and how many there are.
WARMING, WARM = 1_000_000, 8


class Sent(NamedTuple):
    """When the first call began (monotonic s), and how long all calls took (s)."""

    began: float
    took: float


class Client:
    """A process that enqueues tasks."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._popen = subprocess.Popen(
                command,
                env=clean_environment() | env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._answer()

    def enqueue(self, task: str, number: int, many: int, *args: float) -> Sent:
        """Enqueue as many tasks, with numbers from *number* on."""
        order = {"task": task, "number": number, "many": many, "args": args}
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(order) + "\n")
        self._popen.stdin.flush()
        return Sent(**json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._popen.stdout is not None
        if not (line := self._popen.stdout.readline()):
            raise RuntimeError(f"The client has ended:\n{self._log.read_text()[-2000:]}")
        return line

    def kill(self) -> None:
        """End it."""
        self._popen.kill()
        self._popen.communicate()


class RunnerSite(harness.Site):
    """Runs one *subject*."""

    def __init__(self, folder: Path, subject: Subject) -> None:
        super().__init__(folder)
        self.subject = subject
        self.diary = folder / "diary"
        self.postgres = Postgres(folder, fsync=True)
        self._client: Client | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes."""
        subject = self.subject
        sqlite = str(self.folder / "tasks.sqlite3")
        settings = {"with_workers": "workers.settings", "with_celery": "results_settings"}
        django = subject.database and f"labs.benchmarks.runners.{settings[subject.runner]}"
        return {
            "RUNNER": subject.runner,
            "SETTINGS": json.dumps(dict(subject.settings)),
            "REDIS_URL": self.redis.url,
            "DIARY": str(self.diary),
            "DATABASE": "postgres" if subject.database == "postgres" else sqlite,
            "PGHOST": str(self.postgres.folder),
            "PGPORT": str(self.postgres.port),
            "PYTHONPATH": str(ROOT),
            **({"DJANGO_SETTINGS_MODULE": django} if django else {}),
        }

    @property
    def client(self) -> Client:
        """The process that enqueues."""
        assert self._client is not None
        return self._client

    def start(self) -> None:
        """Start everything but the worker."""
        super().start()
        if self.subject.database == "postgres":
            self.postgres.create()
        if self.subject.database:
            self.run(self.subject.python, "-m", "django", "migrate", "-v", "0", "--skip-checks")
        command = [str(self.subject.python), "-m", "labs.benchmarks.runners.client"]
        self._client = Client(command, self.environment, self.folder / "client.log")

    def start_worker(self) -> Process:
        """Start a worker without waiting for it."""
        self.workers.append(self.launch([self.subject.python, *self.subject.worker], "worker"))
        return self.workers[-1]

    def warm_up(self) -> None:
        """Let the worker run some tasks."""
        self.client.enqueue("nothing", WARMING, WARM)
        self.wait_for_lines(WARM)

    def wait_for_lines(self, count: int, timeout: float = 60.0) -> None:
        """Wait until tasks have written so many lines. AssertionError after a time-out."""
        wait_for(
            lambda: self.diary.exists() and self.diary.stat().st_size >= count * LINE.size,
            lambda: f"{count} lines in the diary. {self.describe()}",
            timeout,
        )

    def runs(self) -> Runs:
        """Return the runs so far."""
        return read(self.diary)

    def waiting(self) -> int:
        """Return how many tasks Redis has, those that run included."""
        with self.redis.client() as client:
            if self.subject.runner == "with_celery":
                return int(client.hlen("unacked")) + int(client.llen("celery"))
            if self.subject.runner == "with_dramatiq":
                return int(client.hlen("dramatiq:default.msgs"))
            found = read_status(client, f"channels:{FORMAT_VERSION}:")
        return sum(one.waiting + one.in_flight for one in found.channels)

    def kill(self) -> None:
        """Kill all of its processes."""
        if self._client is not None:
            self._client.kill()
        super().kill()
        self.postgres.stop()
        if self.postgres.process is not None:
            self.postgres.process.kill()
