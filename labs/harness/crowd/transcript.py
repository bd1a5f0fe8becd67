"""The messages and visits of a crowd. Times are of the monotonic clock (s)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Said:
    """A message: its number, when it was due, and when its sender received the echo."""

    number: int
    at: float
    back: float | None = None
    order: dict[str, Any] | None = None

    @property
    def is_silent(self) -> bool:
        """Whether its consumer is ordered to fail so that nobody receives the message."""
        return bool(self.order and self.order.get("silent"))


@dataclass(slots=True)
class Heard:
    """A message received on a socket. *count* is that of the sender's channel session.

    The chat has no such counts: both are 0 there.
    """

    sender: str
    number: int
    at: float
    count: int = 0
    order: int = 0


@dataclass
class Visit:
    """A socket from its handshake to its end.

    *key* names it in diaries, *server* is the index of its interface server. *ended* is None for
    sockets that stay open until the load itself closes them. *code* is the close code, None without
    a close frame. *status* is the HTTP status of a refused handshake. *fetched* has the messages of
    the chat's history. *answers* has those to this socket alone: the number of a message, and the
    id of its row in a database. In a room with history the client named the position *since*, and
    was told of a *gap* or not; so many messages were *replayed*. *positions* are those of the
    hello, if it has one, and of messages. It *resumed* the connection of an earlier one.
    """

    key: str
    server: int
    asked: float
    joined: float | None = None
    ended: float | None = None
    code: int | None = None
    status: int | None = None
    heard: list[Heard] = field(default_factory=list)
    fetched: list[Heard] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)
    since: str = ""
    gap: bool = False
    replayed: int = 0
    positions: list[str] = field(default_factory=list)
    resumed: bool = False


@dataclass
class Person:
    """Somebody who talks in a room, on one socket after the other if *retries*.

    In the chat, *rows* are the ids of displayed messages, and *again* counts received messages that
    were displayed before. With resumed connections, *again* counts own messages that took
    effect twice.
    """

    name: str
    room: str
    retries: bool
    said: list[Said] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    sessions_lost: int = 0
    rows: list[int] = field(default_factory=list)
    again: int = 0


@dataclass
class Transcript:
    """All people of a crowd, with their messages and visits."""

    people: list[Person]

    def write(self, path: Path) -> None:
        """Write it to *path*."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Transcript:
        """Read what :meth:`write` wrote."""
        return cls([_person(fields) for fields in json.loads(path.read_text())["people"]])


def _person(fields: dict[str, Any]) -> Person:
    said = [Said(**one) for one in fields.pop("said")]
    visits = [_visit(one) for one in fields.pop("visits")]
    return Person(**fields, said=said, visits=visits)


def _visit(fields: dict[str, Any]) -> Visit:
    heard = [Heard(**one) for one in fields.pop("heard")]
    fetched = [Heard(**one) for one in fields.pop("fetched")]
    answers = [(number, row) for number, row in fields.pop("answers")]
    return Visit(**fields, heard=heard, fetched=fetched, answers=answers)
