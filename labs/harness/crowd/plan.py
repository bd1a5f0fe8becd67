"""The size and the pace of a crowd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from labs.harness.crowd.transcript import Person


@dataclass(frozen=True)
class Plan:
    """*each* people in each of the *rooms*. Each person talks every *interval* (s).

    *servers* are addresses such as ``ws://127.0.0.1:8000``, and the people of a room are spread
    over them. *filling* is the number of padding characters per message. *chat*: the servers run
    the real chat, and clients behave like its page. *label* begins the names of rooms and people,
    so that several loads can use one database. *authority* is the certificate file to verify
    ``wss://`` servers with. *resumes*: everybody comes back with its last position. *keeps*:
    those who come back resume their connections, so a message is sent once. *together*: everybody
    begins at the first server. *at_once* limits the handshakes under way.
    """

    servers: tuple[str, ...]
    rooms: int
    each: int
    interval: float = 1.0
    filling: int = 0
    chat: bool = False
    label: str = ""
    authority: str = ""
    resumes: bool = False
    keeps: bool = False
    together: bool = False
    at_once: int = 12

    def people(self) -> Iterator[tuple[Person, int]]:
        """Each person with the index of the first server. Every other pair retries.

        In the chat, and with positions, everybody retries.
        """
        for room in range(self.rooms):
            for seat in range(self.each):
                retries = self.chat or self.resumes or seat // len(self.servers) % 2 == 1
                person = Person(f"{self.label}r{room}s{seat}", f"{self.label}room{room}", retries)
                yield person, 0 if self.together else seat % len(self.servers)

    def dump(self) -> str:
        """Serialise it for a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Plan:
        """Read what :meth:`dump` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "servers": tuple(fields["servers"])})
