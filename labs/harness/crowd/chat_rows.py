"""Compares the messages of a crowd with the rows of the chat, and with its pages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from labs.harness.crowd.transcript import Transcript


class Stored(NamedTuple):
    """A stored message."""

    id: int
    room: str
    nonce: str


@dataclass(frozen=True)
class Found:
    """The differences. Each entry names a message."""

    lost: list[str]
    twice: list[str]
    disordered: list[str]


def find(transcript: Transcript, rows: Sequence[Stored]) -> Found:
    """Compare. Everybody must have been in the room before the first message."""
    said = [f"{person.name}-{said.number}" for person in transcript.people for said in person.said]
    stored = Counter(row.nonce for row in rows)
    lost = [f"{nonce} is not stored" for nonce in said if nonce not in stored]
    return Found(
        [*lost, *_not_shown(transcript, rows)],
        [f"{nonce} is stored {count} times" for nonce, count in stored.items() if count > 1],
        list(_out_of_order(rows)),
    )


def _not_shown(transcript: Transcript, rows: Sequence[Stored]) -> Iterator[str]:
    """Describe messages that somebody was not shown, and shown messages that are not stored."""
    of_room: dict[str, dict[int, str]] = defaultdict(dict)
    for row in rows:
        of_room[row.room][row.id] = row.nonce
    for person in transcript.people:
        stored, shown = of_room[person.room], set(person.rows)
        yield from (
            f"{stored[row]} was not shown to {person.name}" for row in stored.keys() - shown
        )
        yield from (f"{row} was shown to {person.name} only" for row in shown - stored.keys())


def _out_of_order(rows: Sequence[Stored]) -> Iterator[str]:
    """Find ids that are higher than that of a later message of the same person."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        sender, _, number = row.nonce.rpartition("-")
        numbers[sender].append(int(number))
    for sender, own in numbers.items():
        for earlier, later in pairwise(own):
            if later < earlier:
                yield f"{sender}-{later} is stored behind {sender}-{earlier}"
