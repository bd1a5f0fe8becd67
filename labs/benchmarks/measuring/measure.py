"""Measuring: fresh processes, an empty Redis, one load."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.requests import RequestCounter
from labs.benchmarks.measuring.subject import Measurement
from labs.benchmarks.serving.cores import pinned
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.serving.site import Site
from labs.harness.processes import Process

#: How long a load may take (s).
LOAD_TIMEOUT = 180.0


class Failed(Exception):
    """Nothing could be measured; the text says why."""


def measure(measurement: Measurement, folder: Path) -> Report:
    """Measure in a new folder below *folder*, where logs stay if it fails; Failed if it does."""
    subject = measurement.subject
    own = Path(tempfile.mkdtemp(prefix=f"{measurement.name}-", dir=folder))
    try:
        with Site(find_room(subject.room), subject.arrangement, own) as site:
            report = _load(site, measurement)
    except (AssertionError, RuntimeError, OSError) as error:
        raise Failed(f"{subject.name}, {measurement.name}: {error}") from error
    shutil.rmtree(own)
    return report


def _load(site: Site, measurement: Measurement) -> Report:
    counts = measurement.counts_requests
    with RequestCounter(site.redis.port) if counts else nullcontext() as counter:
        report = run_load(site, measurement)
        if counter is not None:
            counter.report(report)
    return report


def run_load(site: Site, measurement: Measurement) -> Report:
    """Put the load on *site*; return what it says. AssertionError if it says nothing."""
    command = load_command(site.as_dict(), measurement.mode, measurement.options)
    if measurement.times_redis:
        command += ["--redis", str(site.redis.port)]
    with pinned(measurement.subject.load):
        process = Process("load", command, log=site.folder / "load.log")
    try:
        line = process.wait_for_line(r"^\{.*", LOAD_TIMEOUT)
        return Report(**json.loads(line.string))
    finally:
        process.kill()


def load_command(site: Mapping[str, Any], mode: str, options: Mapping[str, float]) -> list[str]:
    """Return the command of a load on *site*, which is what ``labs/benchmarks/serve`` prints."""
    command = [sys.executable, "-m", "labs.benchmarks.load", mode]
    for url in site["urls"]:
        command += ["--url", url]
    for role, pids in site["pids"].items():
        for pid in pids:
            command += ["--watch", f"{role}:{pid}"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return command + (["--visit"] if site["visit"] else [])
