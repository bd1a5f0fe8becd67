"""Compares the messages of a crowd with the lines in the database, and with the answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from labs.faults.once_site import Line
from labs.harness.crowd.hearing import find_accepted
from labs.harness.crowd.transcript import Transcript, Visit


@dataclass(frozen=True)
class Found:
    """The differences. Each entry names a message."""

    lost: list[str]
    twice: list[str]
    disordered: list[str]


def find(transcript: Transcript, lines: Sequence[Line]) -> Found:
    """Compare. Each accepted message has one line, and the answer to it has the id of the line."""
    stored = Counter((line.key.partition(".")[0], line.number) for line in lines)
    accepted = find_accepted(transcript, {(line.key, line.number) for line in lines})
    visits = [visit for person in transcript.people for visit in person.visits]
    return Found(
        [
            *(f"{name} {number} is not stored" for name, number in accepted - stored.keys()),
            *_unanswered(visits, lines),
        ],
        [
            *(
                f"{name} {number} is stored {count} times"
                for (name, number), count in stored.items()
                if count > 1
            ),
            *(what for visit in visits for what in _answered_twice(visit)),
        ],
        [
            *_backwards("stored", ((line.key, line.number) for line in lines)),
            *_backwards(
                "answered", ((visit.key, number) for visit in visits for number, _ in visit.answers)
            ),
        ],
    )


def _unanswered(visits: Iterable[Visit], lines: Iterable[Line]) -> Iterator[str]:
    """Describe lines without an answer, and answers of runs that were undone."""
    given = {(visit.key, number, row) for visit in visits for number, row in visit.answers}
    wanted = {(line.key, line.number, line.id) for line in lines}
    ended = {visit.key for visit in visits if visit.ended is not None}
    for key, number, row in wanted - given:
        if key not in ended:
            yield f"{key} {number} was not told its row {row}"
    for key, number, row in given - wanted:
        yield f"{key} {number} was told the row {row}, which is not stored"


def _answered_twice(visit: Visit) -> Iterator[str]:
    for number, count in Counter(number for number, _ in visit.answers).items():
        if count > 1:
            yield f"{visit.key} {number} was answered {count} times"


def _backwards(what: str, found: Iterable[tuple[str, int]]) -> Iterator[str]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for key, number in found:
        numbers[key].append(number)
    for key, own in numbers.items():
        for earlier, later in pairwise(own):
            if later < earlier:
                yield f"{key} {later} was {what} after {earlier}"
