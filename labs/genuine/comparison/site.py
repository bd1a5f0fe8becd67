"""A site: one application on one engine, with a folder, a Redis and a database of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.database import Database
from labs.genuine.comparison.engine import Engine
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes, clean_environment
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer

NO_URLS = "labs.genuine.comparison.settings.urls"


class Site:
    """Use it in a `with`, then start its processes; all of them end with the block.

    *code* is a folder with the application's package; *folder* is empty. *layer* is put into the
    CONFIG of the channel layer; without it the defaults hold.
    """

    def __init__(
        self,
        application: Application,
        engine: Engine,
        code: Path,
        folder: Path,
        layer: Mapping[str, object] | None = None,
    ) -> None:
        self.application = application
        self.engine = engine
        self.code = code
        self.folder = folder
        self.port = free_port()
        self.redis = RedisServer(self.folder)
        self.database = Database(self.folder / "database.sqlite3")
        self._layer = dict(layer or {})
        self._processes = Processes(self.folder)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes; COMPARISON is read by ``settings.common``."""
        application = self.application
        given = {
            "package": application.package,
            "routing": application.routing,
            "urls": application.urls or NO_URLS,
            "settings": dict(application.settings),
            "database": str(self.database.path),
            "redis": self.redis.url,
            "layer": self._layer,
        }
        return {
            "COMPARISON": json.dumps(given),
            "DJANGO_SETTINGS_MODULE": self.engine.settings,
            "PYTHONPATH": os.pathsep.join(map(str, (self.code, ROOT))),
            "PYTHONWARNINGS": "ignore",
        }

    def __enter__(self) -> Self:
        """Start Redis and make the database."""
        self.redis.start()
        try:
            self._migrate()
        except BaseException:
            self.redis.stop()
            raise
        self.database.keep()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._processes.stop()
        finally:
            self.redis.stop()

    def _migrate(self) -> None:
        done = subprocess.run(
            self.engine.django("migrate", "--verbosity", "0"),
            cwd=self.folder,
            env=clean_environment() | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.engine.name} made no database:\n{done.stderr}")

    def start_server(self) -> Process:
        """Start the interface server; return when it takes connections."""
        process = self._start(self.engine.daphne(self.port), "daphne")
        return process.wait_until_listening(self.port)

    def start_worker(self, threads: int = 1) -> Process:
        """Start a worker; return at once, as `quiet` waits for it."""
        command = self.engine.django("runworker", "--threads", str(threads))
        return self._start(command, "worker")

    def _start(self, command: list[str], name: str) -> Process:
        return self._processes(command, name=name, env=self.environment, cwd=self.folder)

    def describe(self) -> str:
        """Return what its processes wrote."""
        return "\n\n".join(process.describe() for process in self._processes)
