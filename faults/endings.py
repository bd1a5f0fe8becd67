"""Whether each connection had its messages in order, one at a time, and one disconnect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from faults.diaries import Run, by_socket
from faults.load.transcript import Transcript


@dataclass(frozen=True)
class Ended:
    """*missing*: a client had a socket, no disconnect ran; *unpaired*: a connect ran, none did.

    *twice* and *disordered* are runs that began though they should not have.
    """

    missing: int
    doubled: int
    unpaired: int
    twice: int
    disordered: int


def count(transcript: Transcript, runs: Sequence[Run], moments: Sequence[float]) -> Ended:
    """Count; runs under way at a moment of harm may be run again, as nobody knows their end."""
    ended = {run.key for run in runs if run.channel == "disconnect"}
    visits = (visit for person in transcript.people for visit in person.visits)
    sockets = by_socket(runs)
    return Ended(
        sum(visit.joined is not None and visit.key not in ended for visit in visits),
        sum(_disconnects(own, moments) > 1 for own in sockets.values()),
        len(unpaired(runs)),
        sum(_done_twice(own, moments) for own in sockets.values()),
        sum(_out_of_order(own, moments) for own in sockets.values()),
    )


def unpaired(runs: Iterable[Run]) -> set[str]:
    """Return the connections that had a connect and no disconnect."""
    begun = {run.socket for run in runs if run.channel == "connect"}
    return begun - {run.socket for run in runs if run.channel == "disconnect"}


def _disconnects(own: Iterable[Run], moments: Sequence[float]) -> int:
    """Return how many disconnects were done: each of another id, and each done for sure."""
    runs = [run for run in own if run.channel == "disconnect"]
    sure = Counter(run.id for run in runs if not run.may_be_undone(moments))
    return sum(max(1, sure[name]) for name in {run.id for run in runs})


def _done_twice(own: Iterable[Run], moments: Sequence[float]) -> int:
    sure = Counter(
        run.id for run in own if run.channel != "disconnect" and not run.may_be_undone(moments)
    )
    return sum(number - 1 for number in sure.values())


def _out_of_order(own: Iterable[Run], moments: Sequence[float]) -> int:
    """Count runs that began before the one before them had ended, or with a lower order."""
    sure = [run for run in own if not run.may_be_undone(moments)]
    return sum(
        later.order < earlier.order or (earlier.after is not None and later.before < earlier.after)
        for earlier, later in pairwise(sure)
    )
