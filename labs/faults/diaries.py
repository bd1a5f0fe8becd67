"""Reads the diaries of all workers as runs of consumers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

#: How long before its first line a run may already belong to a worker, and how long after its last
#: one it may still be uncommitted (s).
MARGIN = 1.0


class Moment(NamedTuple):
    """When a fault happened (monotonic s), and to which worker process. None means all."""

    at: float
    process: int | None = None


@dataclass
class Run:
    """One run of a consumer. Times are of the monotonic clock (s).

    *after* is None if the run did not finish.
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

    def describe(self) -> str:
        """Name it by channel, order, and the key of its socket."""
        return f"{self.channel} {self.order} of {self.key}"

    def may_be_undone(self, moments: Iterable[Moment]) -> bool:
        """Whether its commit may have failed because of a fault in its worker."""
        if self.after is None:
            return True
        begin, end = self.before - MARGIN, self.after + MARGIN
        return any(
            begin <= moment.at <= end and moment.process in {None, self.process}
            for moment in moments
        )


def read_runs(folder: Path) -> list[Run]:
    """Return all runs in the diaries of *folder*, ordered by their beginning."""
    runs = [run for path in folder.glob("*.diary") for run in _read(path)]
    return sorted(runs, key=lambda run: run.before)


def _read(path: Path) -> Iterator[Run]:
    last: dict[str, Run] = {}
    for text in path.read_text().splitlines(keepends=True):
        if not text.endswith("\n"):  # an incomplete line
            break
        line: dict[str, Any] = json.loads(text)
        what, at, thread = line.pop("what"), line.pop("at"), line.pop("thread")
        before = last.get(thread)
        if what == "after" and before is not None:
            before.after = at
            continue
        last[thread] = Run(before=at, **line)
        yield last[thread]


def by_socket(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs of each connection."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.socket].append(run)
    return found
