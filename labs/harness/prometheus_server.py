"""A real Prometheus server, and its answers."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.waiting import wait_for


@dataclass(frozen=True)
class Series:
    """Labels and samples: Unix times (s) with values."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


def prometheus_command() -> str:
    """The path of prometheus. AssertionError tells how to install it."""
    found = shutil.which("prometheus")
    assert found, "There is no prometheus on the PATH. scripts/test installs one."
    return found


class PrometheusServer:
    """Runs with the configuration *config*, a YAML document, on its own port.

    *folder* is for its data. Files that the configuration names are relative to it.
    """

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        self.port = free_port()
        file = folder / "prometheus.yml"
        file.write_text(config)
        self.process = Process("prometheus", self._command(file), log=folder / "prometheus.log")

    def _command(self, file: Path) -> list[str]:
        return [
            prometheus_command(),
            f"--config.file={file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    def wait_until_ready(self) -> None:
        """Wait until it answers queries."""
        self.process.wait_until_listening(self.port)
        wait_for(self._is_ready, self.process.describe)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=60):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def query(self, expression: str) -> list[Series]:
        """The series of *expression* now, with one sample each."""
        found = self._ask("query", query=expression)["result"]
        return [Series(one["metric"], (_sample(*one["value"]),)) for one in found]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The series of *expression* between two Unix times, each *step* s."""
        fields = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        found = self._ask("query_range", query=expression, **fields)["result"]
        return [
            Series(one["metric"], tuple(_sample(*pair) for pair in one["values"])) for one in found
        ]

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are pending or fire."""
        found: list[dict[str, Any]] = self._ask("alerts")["alerts"]
        return found

    def stop(self) -> None:
        """Stop it."""
        self.process.stop()

    def _ask(self, what: str, **fields: str) -> Any:
        address = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urlencode(fields)}"
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                said = json.load(error).get("error", error.reason)
            raise ValueError(f"Prometheus refuses {fields}: {said}") from error


def _sample(time: float, value: str) -> tuple[float, float]:
    return float(time), float(value)
