"""What a run of the model contains: shards, servers, messages, and what may fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The model.
PROMELA = Path(__file__).resolve().parent / "promela"

#: The shards, in order.
NAMES = "ABC"

#: The variable parts: what is sent, what else happens, and what may fail. Each fault counts.
SENDS = frozenset({"bares", "closes", "far_joins"})
EVENTS = frozenset({"joins", "starts"})
FAILURES = frozenset({"failover", "late", "leaves", "relays_die", "relays_freeze", "servers_die"})


@dataclass(frozen=True)
class Scope:
    """A part of the model that is small enough to be searched completely.

    Shards are letters: *senders* send, each of *servers* and *relays* stands for one on that shard,
    *lost* may lose their data. At most *faults* faults happen, in any combination of *may*.
    """

    messages: int = 2
    faults: int = 0
    senders: str = "A"
    servers: str = "B"
    relays: str = "B"
    lost: str = ""
    limit: int = 5
    bad: int = 0
    may: frozenset[str] = frozenset()
    room: int = 9

    def __post_init__(self) -> None:
        """Refuse unknown names."""
        if unknown := self.may - SENDS - EVENTS - FAILURES:
            known = ", ".join(sorted(SENDS | EVENTS | FAILURES))
            raise ValueError(f"Expected names from {known}; got {', '.join(sorted(unknown))}.")

    @property
    def shards(self) -> int:
        """The number of shards."""
        return 1 + max(map(NAMES.index, self.senders + self.servers + self.relays))

    def numbers(self) -> dict[str, int]:
        """The constants of the model."""
        return {
            "SHARDS": self.shards,
            "SERVERS": len(self.servers),
            "RELAYS": len(self.relays),
            "MESSAGES": self.messages,
            "FAULTS": self.faults,
            "LIMIT": self.limit,
            "ROOM": self.room,
            "BADS": self.bad,
            "LIVES": 2 + (self.faults if self.lost else 0),
            "ENTRIES": self.messages + 3,
            **{name.upper(): int(name in self.may) for name in sorted(SENDS | EVENTS | FAILURES)},
        }

    def lines(self, switches: Iterable[str] = (), *, scratch: str = "hidden") -> list[str]:
        """The lines in front of the model. *switches* make a mutant of it.

        Variables of one step are no part of the state if *scratch* is "hidden". A breadth-first
        search needs "".
        """
        return [
            *(f"#define {name} {value}" for name, value in self.numbers().items()),
            f"#define SENDS(s) {_is_one_of('s', self.senders)}",
            f"#define TAKES(d) {_is_one_of('d', self.relays)}",
            f"#define MAY_LOSE(s) {_is_one_of('s', self.lost)}",
            f"#define HOME(v) {_chosen('v', _numbered(self.servers))}",
            f"#define TO(r) {_chosen('r', _numbered(self.relays))}",
            f"#define FIRST_RELAY(d) {_chosen('d', _first(self.relays))}",
            f"#define SCRATCH {scratch}",
            *(f"#define {name} 1" for name in switches),
            '#include "shards.pml"',
        ]


def _numbered(shards: str) -> dict[int, int]:
    return dict(enumerate(map(NAMES.index, shards)))


def _first(relays: Sequence[str]) -> dict[int, int]:
    return {NAMES.index(shard): relays.index(shard) for shard in relays}


def _is_one_of(name: str, shards: str) -> str:
    listed = " || ".join(
        f"({name}) == {number}" for number in sorted(set(map(NAMES.index, shards)))
    )
    return f"({listed})" if listed else "0"


def _chosen(name: str, values: Mapping[int, int]) -> str:
    text = "0"
    for key, value in values.items():
        text = f"(({name}) == {key} -> {value} : {text})"
    return text
