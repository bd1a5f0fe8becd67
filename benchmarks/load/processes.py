"""What processes have taken, by their roles: from ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Ids of processes by role, such as ``server``.
Roles = Mapping[str, Sequence[int]]


def cpu_seconds(roles: Roles) -> dict[str, float]:
    """Return the CPU time (s) that the processes of each role have taken."""
    return {role: sum(map(_cpu, pids)) for role, pids in roles.items()}


def memory(roles: Roles) -> dict[str, int]:
    """Return the resident memory (KiB) of the processes of each role."""
    return {role: sum(map(_memory, pids)) for role, pids in roles.items()}


def _cpu(pid: int) -> float:
    # The name, in brackets, may hold anything; user and system time follow as 14th and 15th field.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
