"""Runs commands to completion."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from labs.harness.processes import clean_environment

#: Time-out (s).
TIMEOUT = 600.0


class Failed(RuntimeError):
    """A command exited with another status than 0. The message has its output."""


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> bytes:
    """Return the output of a command. :exc:`Failed` if its status is not 0."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment() | dict(env or {}),
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}")
    return done.stdout
