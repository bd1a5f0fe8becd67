"""Checks that each connection had its messages in order, one at a time, and one disconnect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from labs.faults.diaries import Moment, Run, by_socket
from labs.harness.crowd.transcript import Transcript


@dataclass(frozen=True)
class Ended:
    """Each entry is a text that names the connection.

    *missing*: a client had a socket but no disconnect ran. *unpaired*: a connect ran but no
    disconnect. *twice* and *disordered* are runs that should not have begun.
    """

    missing: list[str]
    doubled: list[str]
    unpaired: list[str]
    twice: list[str]
    disordered: list[str]


def find(transcript: Transcript, runs: Sequence[Run], moments: Sequence[Moment]) -> Ended:
    """Find them. Runs in flight during a fault may repeat, because their outcome is unknown."""
    ended = {run.key for run in runs if run.channel == "disconnect"}
    visits = (visit for person in transcript.people for visit in person.visits)
    sockets = by_socket(runs)
    keys = {run.socket: run.key for run in runs}
    return Ended(
        [visit.key for visit in visits if visit.joined is not None and visit.key not in ended],
        [keys[name] for name, own in sockets.items() if _disconnects(own, moments) > 1],
        [keys[name] for name in unpaired(runs)],
        [name for own in sockets.values() for name in _done_twice(own, moments)],
        [name for own in sockets.values() for name in _out_of_order(own, moments)],
    )


def unpaired(runs: Iterable[Run]) -> set[str]:
    """Return the connections with a connect and no disconnect."""
    begun = {run.socket for run in runs if run.channel == "connect"}
    return begun - {run.socket for run in runs if run.channel == "disconnect"}


def _disconnects(own: Iterable[Run], moments: Sequence[Moment]) -> int:
    """Count the effective disconnects: one per id, or more if several certainly took effect."""
    runs = [run for run in own if run.channel == "disconnect"]
    sure = Counter(run.id for run in runs if not run.may_be_undone(moments))
    return sum(max(1, sure[name]) for name in {run.id for run in runs})


def _done_twice(own: Iterable[Run], moments: Sequence[Moment]) -> Iterator[str]:
    done: set[str] = set()
    for run in own:
        if run.channel != "disconnect" and not run.may_be_undone(moments):
            if run.id in done:
                yield f"{run.describe()} was done again by process {run.process}"
            done.add(run.id)


def _out_of_order(own: Iterable[Run], moments: Sequence[Moment]) -> Iterator[str]:
    """Find runs that began before the previous one had ended, or with a lower order."""
    sure = [run for run in own if not run.may_be_undone(moments)]
    for earlier, later in pairwise(sure):
        if later.order < earlier.order:
            yield f"{later.describe()} ran after {earlier.describe()}"
        elif earlier.after is not None and later.before < earlier.after:
            yield f"{later.describe()} began while {earlier.describe()} ran"
