"""The site that is watched, and the Prometheus that watches it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from labs.harness import site as harness
from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.procfile import in_shell, read_procfile, server_line
from labs.harness.project import ROOT
from labs.harness.prometheus_server import PrometheusServer
from labs.harness.server import Server
from labs.monitoring.trouble import Trouble, file_of

#: The files that operators use.
DEPLOY = ROOT / "deploy" / "monitoring"

#: The name of the job in them.
JOB = "chat"

#: Prometheus scrapes and evaluates as often (s). A scrape takes 1.5 s while Redis does not answer.
INTERVAL = 2

#: A run takes minutes, so rules wait a twentieth, and look back as much.
SHORTER = 20

SERVERS = ("daphne", "uvicorn")
WORKERS = 3


class Site(harness.Site):
    """Redis, two interface servers, three workers, a database in a file, and Prometheus."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._targets: dict[str, int] = {}
        self.prometheus: PrometheusServer

    @property
    def environment(self) -> Mapping[str, str]:  # type: ignore[override]
        """The variables of all processes."""
        given = {"redis": self.redis.url, "folder": str(self.folder)}
        return {
            "BIND": "127.0.0.1",
            "DJANGO_SETTINGS_MODULE": "labs.monitoring.application.settings",
            "MONITORING": json.dumps(given),
            "PYTHONPATH": str(ROOT),
            "WORKER_THREADS": "4",
        }

    def start(self) -> None:
        """Start everything, and wait until it works."""
        super().start()
        self._write_targets()
        self.prometheus = PrometheusServer(self.folder, self._config())
        self.run(sys.executable, "-m", "django", "migrate", "--verbosity", "0")
        for kind in SERVERS:
            self.start_server(kind)
        for worker in [self.start_worker() for _ in range(WORKERS)]:
            worker.wait_for_line(harness.WORKER_READY)
        self.prometheus.wait_until_ready()

    def kill(self) -> None:
        """Kill what still runs."""
        super().kill()
        if hasattr(self, "prometheus"):
            self.prometheus.process.kill()

    def start_server(self, kind: str) -> Server:
        """Start an interface server. Returns when it accepts connections."""
        port = free_port()
        process = self._launch(f"web-{len(self.servers) + 1}", server_line(kind), port)
        self.servers.append(Server(port, process.wait_until_listening(port), kind))
        return self.servers[-1]

    def start_worker(self) -> Process:
        """Start a worker. Returns at once."""
        taken = {worker.name for worker in self.workers if worker.is_running}
        name = next(name for number in range(1, 99) if (name := f"worker-{number}") not in taken)
        self.workers.append(self._launch(name, read_procfile()["worker"]))
        return self.workers[-1]

    def set_trouble(self, trouble: Trouble, *, on: bool) -> None:
        """Begin or end *trouble*."""
        file = file_of(self.folder, trouble)
        if on:
            file.touch()
        else:
            file.unlink()

    def _launch(self, name: str, line: str, port: int = 0) -> Process:
        """Start a line of the Procfile with a port for metrics, and tell Prometheus."""
        own = line.replace("chat_project.asgi", "labs.monitoring.application.asgi")
        self._targets[name] = free_port()
        self._write_targets()
        env = {"PORT": str(port), "METRICS_PORT": str(self._targets[name])}
        return self.launch(in_shell(own.replace("python manage.py", "python -m django")), name, env)

    def _write_targets(self) -> None:
        """Write the ports, with the names of processes: Prometheus shows them as instances."""
        targets = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}}
            for name, port in self._targets.items()
        ]
        # JSON is YAML.
        (self.folder / "targets.yaml").write_text(json.dumps(targets))

    def _config(self) -> str:
        """Return the configuration of ``deploy/``, made quick."""
        (self.folder / "alerts.yaml").write_text(quick(DEPLOY.joinpath("alerts.yaml").read_text()))
        config = DEPLOY.joinpath("prometheus.yml").read_text()
        return re.sub(r"(_interval|_timeout): \d+s", rf"\1: {INTERVAL}s", config)


def quick(rules: str) -> str:
    """Return *rules* that wait and look back less: a minute becomes three seconds."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found["count"]) * {"s": 1, "m": 60}[found["unit"]]
        return f"{found['before']}{-(-seconds // SHORTER)}s"

    return re.sub(r"(?P<before>for: |\[)(?P<count>\d+)(?P<unit>[sm])\b", shorter, rules)
