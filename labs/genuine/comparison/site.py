"""A site: one application on one engine, with its own folder, Redis and database."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.database import Database
from labs.genuine.comparison.engine import Engine
from labs.harness import site as harness
from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.project import ROOT

NO_URLS = "labs.genuine.comparison.settings.urls"


class Site(harness.Site):
    """An application on an engine, on :class:`labs.harness.site.Site`.

    *code* is a folder with the application's package. *layer* extends the CONFIG of the channel
    layer, which otherwise has the defaults.
    """

    def __init__(
        self,
        application: Application,
        engine: Engine,
        code: Path,
        folder: Path,
        layer: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(folder)
        self.application = application
        self.engine = engine
        self.code = code
        self.port = free_port()
        self.database = Database(self.folder / "database.sqlite3")
        self._layer = dict(layer or {})

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes. ``settings.common`` reads COMPARISON."""
        application = self.application
        given = {
            "package": application.package,
            "routing": application.routing,
            "urls": application.urls or NO_URLS,
            "settings": dict(application.settings),
            "database": str(self.database.path),
            "redis": self.redis.url,
            "layer": self._layer,
            "workers": dict(application.workers),
        }
        return {
            "COMPARISON": json.dumps(given),
            "DJANGO_SETTINGS_MODULE": self.engine.settings,
            "PYTHONPATH": os.pathsep.join(map(str, (self.code, ROOT))),
            "PYTHONWARNINGS": "ignore",
        }

    def start(self) -> None:
        """Start Redis and create the database."""
        super().start()
        self.run(*self.engine.django("migrate", "--verbosity", "0"))
        self.database.keep()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start_server(self) -> Process:
        """Start the interface server. Returns when it accepts connections."""
        process = self.launch(self.engine.daphne(self.port), "daphne")
        return process.wait_until_listening(self.port)

    def start_worker(self, threads: int = 1) -> Process:
        """Start a worker. Returns at once, because `quiet` waits for it."""
        command = self.engine.django("runworker", "--threads", str(threads))
        return self.launch(command, "worker")
