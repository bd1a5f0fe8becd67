"""Counts lost, repeated, reordered and late messages of a crowd.

A message is *accepted* if its sender retries until it has an echo, if its socket stayed open, if
anybody heard it, or if its consumer finished. A message of a client without retries, sent on a
dropped socket and without such a trace, counts as never sent.

An accepted message is *lost* if a required listener did not hear it: a person who joined the room
before the message and either stayed to the end or heard a later message of the same sender on that
socket.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from labs.harness.crowd.transcript import Person, Said, Transcript, Visit


@dataclass(frozen=True)
class Found:
    """The result. Each list entry names a message.

    *seconds* is the longest delay after a given moment.
    """

    said: int
    unsent: int
    lost: list[str]
    twice: list[str]
    disordered: list[str]
    wrong_sessions: list[str]
    seconds: float


class Missed(NamedTuple):
    """A *message* of *speaker* that nobody heard on the socket of *visit*."""

    speaker: Person
    message: Said
    visit: Visit


#: The key of a socket, with the number of one of its messages.
Finished = Collection[tuple[str, int | None]]


def find(
    transcript: Transcript,
    since: float,
    *,
    finished: Finished = frozenset(),
    loose: Collection[str] = (),
    is_told: Callable[[Missed], bool] = lambda _: False,
) -> Found:
    """Count. Delays start at *since* or later (monotonic s).

    The consumers of *finished* messages have completed. Messages of *loose* senders may come in any
    order, also by a later visit. What is missed and *is_told* is not lost.
    """
    accepted = find_accepted(transcript, finished)
    said = sum(len(person.said) for person in transcript.people)
    return Found(
        said,
        said - len(accepted),
        _lost(each for each in missed(transcript, accepted, loose) if not is_told(each)),
        [what for person in transcript.people for what in _heard_twice(person)],
        [
            what
            for person in transcript.people
            for visit in person.visits
            for what in _out_of_order(visit, loose)
        ],
        _wrong_sessions(transcript),
        max((late for _, late in delays(transcript, since)), default=0.0),
    )


def find_accepted(transcript: Transcript, finished: Finished) -> set[tuple[str, int]]:
    """Return the sender and the number of each accepted message."""
    heard = _heard_by_anybody(transcript)
    return {
        (person.name, message.number)
        for person in transcript.people
        for message in person.said
        if is_accepted(person, message, heard, finished)
    }


def _heard_by_anybody(transcript: Transcript) -> set[tuple[str, int]]:
    visits = (visit for person in transcript.people for visit in person.visits)
    return {(heard.sender, heard.number) for visit in visits for heard in visit.heard}


def is_accepted(
    person: Person,
    message: Said,
    heard: set[tuple[str, int]],
    finished: Finished,
) -> bool:
    """Whether a message is accepted, as defined at the top of this file."""
    if message.is_silent:
        return False
    if person.retries or not any(visit.joined and visit.ended for visit in person.visits):
        return True
    keys = (visit.key for visit in person.visits)
    return (person.name, message.number) in heard or any(
        (key, message.number) in finished for key in keys
    )


def missed(
    transcript: Transcript, accepted: set[tuple[str, int]], loose: Collection[str] = ()
) -> Iterator[Missed]:
    """Yield each accepted message that a required listener did not hear."""
    for hearer, visit, speaker in _audience(transcript):
        visits = hearer.visits if speaker.name in loose else [visit]
        came = (heard for each in visits for heard in (*each.heard, *each.fetched))
        numbers = {heard.number for heard in came if heard.sender == speaker.name}
        last = max(numbers, default=-1)
        for message in speaker.said:
            is_due = visit.ended is None or message.number < last
            was_there = visit.joined is not None and visit.joined <= message.at
            named = (speaker.name, message.number)
            if was_there and is_due and message.number not in numbers and named in accepted:
                yield Missed(speaker, message, visit)


def _lost(found: Iterable[Missed]) -> list[str]:
    """Describe each message once, with one of those who missed it."""
    lost = {
        (
            speaker.name,
            message.number,
        ): f"{speaker.name} {message.number} was not heard by {visit.key}"
        for speaker, message, visit in found
    }
    return list(lost.values())


def _audience(transcript: Transcript) -> Iterator[tuple[Person, Visit, Person]]:
    """Each person and visit with each person of the room."""
    rooms: dict[str, list[Person]] = defaultdict(list)
    for person in transcript.people:
        rooms[person.room].append(person)
    for people in rooms.values():
        for hearer in people:
            for visit in hearer.visits:
                for speaker in people:
                    yield hearer, visit, speaker


def _heard_twice(person: Person) -> Iterator[str]:
    known: set[tuple[str, int]] = set()
    for visit in person.visits:
        for heard in visit.heard:
            if (heard.sender, heard.number) in known:
                yield f"{heard.sender} {heard.number} was heard again by {visit.key}"
            known.add((heard.sender, heard.number))


def _out_of_order(visit: Visit, loose: Collection[str]) -> Iterator[str]:
    last: dict[str, int] = {}
    for heard in visit.heard:
        before = last.get(heard.sender, -1)
        if heard.number < before and heard.sender not in loose:
            yield f"{heard.sender} {heard.number} was heard after {before} by {visit.key}"
        last[heard.sender] = max(heard.number, before)


def _wrong_sessions(transcript: Transcript) -> list[str]:
    """Describe sessions that were missing, or whose count differs from the layer's."""
    spoilt = {
        person.name
        for person in transcript.people
        if any(message.is_silent for message in person.said)  # it may be abandoned
    }
    wrong = {
        (heard.sender, heard.number): f"{heard.sender} {heard.number} is the {heard.order}. of its "
        f"socket, its session counted {heard.count}"
        for person in transcript.people
        for visit in person.visits
        for heard in visit.heard
        if heard.count != heard.order and heard.sender not in spoilt
    }
    lost = [
        f"{person.name} had no session for {person.sessions_lost} messages"
        for person in transcript.people
        if person.sessions_lost
    ]
    return [*wrong.values(), *lost]


def delays(
    transcript: Transcript, since: float = 0.0, without: Collection[str] = ()
) -> Iterator[tuple[float, float]]:
    """When each message was sent, and its delay to each person who was present (s).

    Messages of people in *without* are left out.
    """
    times = {person.name: [said.at for said in person.said] for person in transcript.people}
    for person in transcript.people:
        if person.name not in without:
            yield from _delays_back(person, since)
        for visit in person.visits:
            for heard in visit.heard:
                at = times[heard.sender][heard.number]
                was_there = visit.joined is not None and visit.joined <= at
                if was_there and heard.at > since and heard.sender not in without:
                    yield at, heard.at - max(at, since)


def _delays_back(person: Person, since: float) -> Iterator[tuple[float, float]]:
    for message in person.said:
        if message.back is not None and not message.is_silent and message.back > since:
            yield message.at, message.back - max(message.at, since)


def percentile(transcript: Transcript, begin: float, end: float, part: float = 0.95) -> float:
    """The given percentile of delays (s) of messages sent between *begin* and *end*."""
    late = sorted(late for at, late in delays(transcript) if begin <= at < end)
    return late[min(len(late) - 1, int(len(late) * part))] if late else 0.0
