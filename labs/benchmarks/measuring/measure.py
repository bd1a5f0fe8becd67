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
from labs.benchmarks.measuring.killing import killing
from labs.benchmarks.measuring.requests import RequestCounter
from labs.benchmarks.measuring.subject import Measurement
from labs.benchmarks.serving.cores import pinned
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.serving.site import Site
from labs.harness.processes import Process

#: Time-out of a load (s).
LOAD_TIMEOUT = 180.0


class Failed(Exception):
    """A measurement failed. The text has the reason."""


def measure(measurement: Measurement, folder: Path) -> Report:
    """Measure in a new folder below *folder*. Failed on an error, and the logs stay there."""
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
    counting = RequestCounter(site.redis.port) if counts else nullcontext()
    with counting as counter, killing(site, measurement.kills) as killer:
        report = run_load(site, measurement)
        if killer is not None:
            killer.report(report)
        if counter is not None:
            counter.report(report)
    return report


def run_load(site: Site, measurement: Measurement) -> Report:
    """Apply the load to *site*, and return its report. AssertionError without one."""
    site_now = site.as_dict()
    if measurement.kills:
        del site_now["pids"]["worker"]  # none lasts
    if measurement.protocol:
        site_now["protocol"] = measurement.protocol
    command = load_command(site_now, measurement.mode, measurement.options)
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
    """Return the command of a load on *site*. ``labs/benchmarks/serve`` prints it."""
    command = [sys.executable, "-m", "labs.benchmarks.load", mode]
    for url in site["urls"]:
        command += ["--url", url]
    for role, pids in site["pids"].items():
        for pid in pids:
            command += ["--watch", f"{role}:{pid}"]
    command += ["--protocol", site["protocol"]]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return command + (["--visit"] if site["visit"] else [])
