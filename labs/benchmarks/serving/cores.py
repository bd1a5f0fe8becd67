"""Pins processes to cores."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

Cores = frozenset[int]

#: No pinning.
ANY: Cores = frozenset()


def parse_cores(text: str) -> Cores:
    """Return the cores of a text such as ``0``, ``0,2`` or ``0-3``. ValueError if it is invalid."""
    cores: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not found:
            raise ValueError(f"Expected cores such as 0, 0,2 or 0-3, got {text!r}.")
        cores.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    there = os.sched_getaffinity(0)
    if not cores or not cores <= there:
        raise ValueError(
            f"Expected cores among {sorted(there)}, which this process may use, got {text!r}."
        )
    return frozenset(cores)


@contextmanager
def pinned(cores: Cores) -> Iterator[None]:
    """Run what this thread starts in the block on *cores* only. Any core without them."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def require_two_cores() -> None:
    """RuntimeError unless cores 0 and 1 are available, for the site and for the load."""
    there = os.sched_getaffinity(0)
    if not there >= {0, 1}:
        raise RuntimeError(
            f"Expected the cores 0 and 1, got {sorted(there)}: measure on a machine with two."
        )
