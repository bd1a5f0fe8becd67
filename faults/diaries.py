"""The diaries of all workers, read as runs of consumers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: How long after its last line a run may not be committed yet (s).
COMMIT = 1.0


@dataclass
class Run:
    """One run of a consumer; times are of the monotonic clock (s).

    *after* is None if the run did not come to its end, *next* is when its thread began with its
    next message, None if it never did.
    """

    before: float
    process: int
    channel: str
    socket: str
    order: int
    id: str
    key: str
    number: int | None
    after: float | None = None
    next: float | None = None

    def may_be_undone(self, moments: Iterable[float]) -> bool:
        """Whether its commit may not have happened: it was under way at a moment of harm."""
        if self.after is None:
            return True
        end = self.after + COMMIT if self.next is None else min(self.after + COMMIT, self.next)
        return any(self.before <= moment <= end for moment in moments)


def read_runs(folder: Path) -> list[Run]:
    """Return all runs in the diaries of *folder*, by their beginning."""
    runs = [run for path in folder.glob("*.diary") for run in _read(path)]
    return sorted(runs, key=lambda run: run.before)


def _read(path: Path) -> Iterator[Run]:
    last: dict[str, Run] = {}
    for text in path.read_text().splitlines():
        line: dict[str, Any] = json.loads(text)
        what, at, thread = line.pop("what"), line.pop("at"), line.pop("thread")
        before = last.get(thread)
        if what == "after" and before is not None:
            before.after = at
            continue
        if before is not None:
            before.next = at
        last[thread] = Run(before=at, **line)
        yield last[thread]


def by_socket(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs of each connection."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.socket].append(run)
    return found
