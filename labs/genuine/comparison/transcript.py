"""The transcript of a conversation on one engine, and the difference of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from labs.genuine.comparison.database import Rows
from labs.genuine.comparison.steps import Step

#: The events of each client, in order.
Events = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Moment:
    """A step and the events that it caused for all clients."""

    step: Step
    events: Events


@dataclass
class Transcript:
    """All moments of a conversation, and the resulting rows."""

    moments: list[Moment] = field(default_factory=list)
    rows: Mapping[str, Rows] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """The number of received frames."""
        return sum(
            event.startswith(("text ", "bytes "))
            for moment in self.moments
            for events in moment.events.values()
            for event in events
        )


@dataclass(frozen=True)
class Difference:
    """Where two transcripts diverge, and both sides."""

    place: str
    genuine: str
    ours: str

    def __str__(self) -> str:
        return f"{self.place}\n  channels 1.1.8:   {self.genuine}\n  channels_workers: {self.ours}"


def first_difference(genuine: Transcript, ours: Transcript) -> Difference | None:
    """Return where *ours* differs from *genuine*."""
    both = zip_longest(genuine.moments, ours.moments)
    for number, (theirs, our) in enumerate(both, 1):
        if theirs is None or our is None:
            return Difference(f"step {number}", f"{theirs}", f"{our}")
        if theirs.step != our.step:
            return Difference(f"step {number}", f"{theirs.step}", f"{our.step}")
        for client in sorted({*theirs.events, *our.events}):
            here = f"step {number}, {theirs.step}: what {client} got"
            one, other = theirs.events.get(client, ()), our.events.get(client, ())
            if found := _unequal(here, one, other):
                return found
    for table, rows in genuine.rows.items():
        if found := _unequal(f"the table {table}", rows, ours.rows[table]):
            return found
    return None


def _unequal(place: str, one: Sequence[object], other: Sequence[object]) -> Difference | None:
    for number, (first, second) in enumerate(zip_longest(one, other), 1):
        if first != second:
            here = place if len(one) == len(other) == 1 else f"{place}, number {number}"
            return Difference(here, _shown(first), _shown(second))
    return None


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)
