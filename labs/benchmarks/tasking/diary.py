"""Reads what tasks have written down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from labs.benchmarks.runners.diary import BEGUN, LINE


@dataclass
class Runs:
    """The runs so far: how often each task began and ended, and when it first ended (s)."""

    begun: Counter[int] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    first_end: dict[int, float] = field(default_factory=dict)


def read(file: Path) -> Runs:
    """Return the runs in *file*, which need not exist yet."""
    runs = Runs()
    data = file.read_bytes() if file.exists() else b""
    whole = len(data) - len(data) % LINE.size
    for what, number, at in LINE.iter_unpack(data[:whole]):
        if what == BEGUN:
            runs.begun[number] += 1
        else:
            runs.ended[number] += 1
            runs.first_end.setdefault(number, at)
    return runs
