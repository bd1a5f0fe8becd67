"""Turns the process of a command into the parent of several that run it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from django.conf import settings

from channels_workers.processes import logs
from channels_workers.processes.__main__ import VARIABLE

#: The program of the parent.
PROGRAM = Path(__file__).with_name("__main__.py")

#: The environment that this process was started with. Settings may have changed ``os.environ``
#: since, for example from a file, which new processes must read again.
INITIAL_ENVIRONMENT = Path("/proc/self/environ")


def become_parent(count: int) -> NoReturn:
    """Replace this process by the parent of *count* processes that run its command again."""
    given = {
        "count": count,
        "path": sys.path,
        "logs": logs.describe(settings.LOGGING_CONFIG, settings.LOGGING),
    }
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # All connections, threads and loaded code go with the old program.
    command = [sys.executable, "-P", str(PROGRAM), sys.executable, *sys.orig_argv[1:]]
    environment = {**initial_environment(), VARIABLE: json.dumps(given)}
    os.execve(sys.executable, command, environment)  # noqa: S606


def initial_environment(file: Path = INITIAL_ENVIRONMENT) -> dict[str, str]:
    """Return the environment that this process began with, as far as the system tells."""
    try:
        content = file.read_bytes()
    except OSError:
        return dict(os.environ)
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}
