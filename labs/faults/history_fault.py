"""Faults of rooms with history. All clients come back with their last position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from labs.faults.fault import Fault
from labs.faults.site import Site
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Person, Transcript, Visit


class HistorySite(Site):
    """Runs ``application.with_history``."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the processes."""
        settings = "labs.faults.application.with_history.settings"
        return {**super().environment, "DJANGO_SETTINGS_MODULE": settings}


@dataclass
class Streams:
    """What is wrong with the positions of the messages that people got."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


class HistoryFault(Fault):
    """Nobody misses a message without being told, and nobody gets one twice."""

    def site(self, folder: Path, engine: Path) -> Site:
        """Run the rooms with history."""
        return HistorySite(folder, self.setting(folder), engine)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """Everybody retries, and names its position."""
        return Plan(servers, size.rooms, size.each, size.interval, resumes=True)

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Follow the positions of each person through all of its visits."""
        yield from super().find(stage, transcript)
        found = Streams()
        for person in transcript.people:
            _follow(person, found)
        yield found

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Report how many came back, and what they were told."""
        returns = returns_of(transcript)
        stage.note(
            f"{len(returns)} came back: {sum(visit.gap for visit in returns)} were told of a gap, "
            f"{sum(visit.replayed for visit in returns)} messages were replayed to the others"
        )


def returns_of(transcript: Transcript) -> list[Visit]:
    """Return the visits of people who came back with a position."""
    visits = (visit for person in transcript.people for visit in person.visits)
    return [visit for visit in visits if visit.joined is not None and visit.since]


def _follow(person: Person, found: Streams) -> None:
    for visit in person.visits:
        if visit.joined is None:
            continue
        is_told = visit.gap or not visit.since
        start = visit.positions[:1] if is_told else [visit.since]
        for before, after in pairwise([*start, *visit.positions[len(start) if is_told else 0 :]]):
            _compare(f"{visit.key} got {after} after {before}", before, after, found)
        if not is_told and visit.positions:
            first, since = visit.positions[0].partition(":")[0], visit.since.partition(":")[0]
            if first != since:
                found.lost.append(f"{visit.key} was told of no gap between {since} and {first}")


def _compare(what: str, before: str, after: str, found: Streams) -> None:
    epoch, _, offset = after.partition(":")
    known, _, last = before.partition(":")
    if epoch == known and int(offset) > int(last) + 1:
        found.lost.append(what)
    elif epoch == known and int(offset) <= int(last):
        found.twice.append(what)
