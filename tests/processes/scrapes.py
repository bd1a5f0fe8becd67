"""Reads the metrics of processes under test, as Prometheus does."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from labs.harness import ports
from labs.harness.processes import Process
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker

#: Values by name and labels: `("sockets", ("state", "open"))`.
Samples = dict[tuple[Any, ...], float]


class Metrics:
    """The metrics that a process serves at *port*."""

    def __init__(self, port: int) -> None:
        self.port = port

    def samples(self) -> Samples:
        """All values, by name and labels. Names have no `channels_workers_` in front."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return {
            (sample.name.removeprefix("channels_workers_"), *sorted(sample.labels.items())): (
                sample.value
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The value of one sample, 0 without one."""
        return self.samples().get((name, *sorted(labels.items())), 0.0)

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a name that are not 0, by the values of its labels (in order of names)."""
        return {
            tuple(value for _, value in key[1:]): value
            for key, value in self.samples().items()
            if key[0] == name and value
        }

    def until(self, expected: Mapping[str, Any]) -> None:
        """Wait until names have these values: a number, or values by labels as `all` gives."""

        def found() -> dict[str, Any]:
            return {
                name: self.all(name) if isinstance(wanted, dict) else self.value(name)
                for name, wanted in expected.items()
            }

        wait_for(lambda: found() == expected, lambda: f"{expected}; it is {found()}", 20.0)


def metered(port: int | str, pages: Path | None = None, **limits: Any) -> dict[str, str]:
    """The environment of a process with metrics."""
    return {
        "DJANGO_SETTINGS_MODULE": "tests.processes.metered",
        "LIMITS": json.dumps({"METRICS_PORT": port, **limits}),
        "PAGES": str(pages or "/nowhere"),
        "DEBUG": "1",
    }


def start_metered(start_web: StartWeb, kind: str, **limits: Any) -> tuple[Server, Metrics]:
    """Start a server with metrics and these limits, and wait until it serves them."""
    metrics = Metrics(ports.free_port())
    server = start_web(kind, env=metered(metrics.port, **limits))
    server.process.wait_until_listening(metrics.port)
    return server, metrics


def start_metered_worker(start_worker: StartWorker, **limits: Any) -> tuple[Process, Metrics]:
    """Start a worker with metrics, and wait until it serves them."""
    metrics = Metrics(ports.free_port())
    worker = start_worker(env=metered(metrics.port, **limits))
    worker.wait_until_listening(metrics.port)
    return worker, metrics
