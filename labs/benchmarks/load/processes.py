"""CPU time and memory of processes by role, from ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: Ids of processes by role, such as ``server``.
Roles = Mapping[str, Sequence[int]]


def cpu_seconds(roles: Roles) -> dict[str, float]:
    """Return the CPU time of the processes of each role, and of their children, so far (s)."""
    return {role: sum(map(_cpu_with_children, pids)) for role, pids in roles.items()}


def memory(roles: Roles) -> dict[str, int]:
    """Return the resident memory of the processes of each role (KiB)."""
    return {role: sum(map(_memory, pids)) for role, pids in roles.items()}


def open_files(pid: int) -> int:
    """Return how many files a process has open, sockets too."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def _cpu_with_children(pid: int) -> float:
    """Return the CPU time of a process and of its live descendants, such as those of PostgreSQL."""
    found = _cpu(pid)
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            found += _cpu_with_children(int(child))
    return found


def _cpu(pid: int) -> float:
    """Return the CPU time of all threads of a process (s).

    ``/proc/<pid>/stat`` has a resolution of 10 ms, and a worker needs less for a few broadcasts to
    many sockets.
    """
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
