"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

PROC, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores of this machine, container or unit, at least 1.

    A share of a core that a container may use counts as a whole one.
    """
    return max(1, math.ceil(min(_scheduled(), cgroup_limit())))


def _scheduled() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_limit(proc: Path = PROC, cgroups: Path = CGROUPS) -> float:
    """Return the least limit of the cgroups (version 2) of this process; inf without one."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return math.inf
    limit = math.inf
    for name in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        folder = cgroups / name
        for each in (folder, *folder.parents):
            if each.is_relative_to(cgroups):
                limit = min(limit, _limit_of(each / "cpu.max"))
    return limit


def _limit_of(file: Path) -> float:
    try:
        quota, period = file.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf
