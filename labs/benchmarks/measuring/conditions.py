"""The conditions of a measurement."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labs.benchmarks.serving.node import find_node
from labs.benchmarks.serving.rooms import PEERS, WS
from labs.genuine.comparison.engine import GENUINE
from labs.harness.project import ROOT
from labs.harness.redis_server import redis_command
from labs.harness.report import table

PACKAGES = (
    "django",
    "channels",
    "daphne",
    "uvicorn",
    "websockets",
    "channels-redis",
    "redis",
    "hiredis",
    "picows",
)
PACKAGES_OF_PEERS = ("python-socketio", "python-engineio", "uvicorn", "websockets", "redis")
#: Named apart from those in Python.
PACKAGES_OF_NODE = {"ws": "ws", "redis of Node.js": "redis"}
PACKAGES_OF_2017 = ("channels", "asgi-redis", "daphne", "Django", "redis")


def conditions(command: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return date, machine and versions. *command* with *arguments* was run."""
    return {
        "date": datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join([command, *arguments]),
        "commit": _output(["git", "describe", "--always", "--dirty"]),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "redis-server": _output([redis_command(), "--version"]).partition("v=")[2].split(" ")[0],
        "packages": {name: version(name) for name in PACKAGES},
        "packages of 2017": versions_in(GENUINE.python, PACKAGES_OF_2017),
    }


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory() -> int:
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)


def versions_in(python: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the versions of packages in the environment of *python*, or nothing without it."""
    if not python.exists():
        return {}
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = _output([str(python), "-c", code, *names]).split()
    return dict(zip(names, found, strict=False))


def versions_of_peers() -> dict[str, str]:
    """Return the versions of the other packages for sockets that are installed."""
    return versions_in(PEERS, PACKAGES_OF_PEERS) | versions_of_node()


def versions_of_node() -> dict[str, str]:
    """Return the versions of Node.js and of its installed packages, or nothing without them."""
    lock = WS / "node_modules" / ".package-lock.json"
    if not lock.exists():
        return {}
    packages = json.loads(lock.read_text())["packages"]
    found = {
        name: packages[f"node_modules/{package}"]["version"]
        for name, package in PACKAGES_OF_NODE.items()
    }
    return {"node": _output([str(find_node()), "--version"]), **found}


def as_markdown(given: dict[str, Any]) -> list[str]:
    """Return the lines of a table of conditions."""
    rows = []
    for name, value in given.items():
        if isinstance(value, dict):
            text = ", ".join(f"{key} {number}" for key, number in value.items()) or "none"
        else:
            text = f"`{value}`" if name == "command" else str(value)
        rows.append([name, text])
    return table(["condition", ""], rows)
