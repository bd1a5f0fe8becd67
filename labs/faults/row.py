"""A row of the table: the counts of a fault, and its limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

#: How many examples are kept of each kind.
EXAMPLES = 3

#: The table's names for the counts.
LABELS = {
    "dropped": "clients cut",
    "lost": "lost",
    "twice": "duplicated",
    "disordered": "out of order",
    "missing": "missing disconnects",
    "doubled": "extra disconnects",
    "unpaired": "unpaired connects",
    "wrong_sessions": "wrong sessions",
    "seconds": "longest outage (s)",
}


@dataclass(frozen=True)
class Limits:
    """The maximum of each count. None means no limit.

    *dropped* leaves out the sockets of servers that the fault itself ends.
    """

    dropped: int | None = 0
    lost: int | None = 0
    twice: int | None = 0
    disordered: int | None = 0
    missing: int | None = 0
    doubled: int | None = 0
    unpaired: int | None = 0
    wrong_sessions: int | None = 0
    seconds: float | None = 10.0

    def describe(self) -> str:
        """The text of its cell in the table."""
        names = [item.name for item in fields(self) if item.name != "seconds"]
        free = [LABELS[name] for name in names if getattr(self, name) is None]
        parts = ["all 0" if not free else f"all 0 but {', '.join(free)}"]
        if self.seconds is not None:
            parts.append(f"{self.seconds:g} s")
        return ", ".join(parts)


@dataclass
class Row:
    """The counts. *taken* are the sockets of servers that the fault ended.

    *examples* describe some counted events, *failures* are other missed targets, *notes* are
    observations. *broken*: the fault could not be measured.
    """

    fault: str
    limits: Limits
    said: int = 0
    unsent: int = 0
    dropped: int = 0
    taken: int = 0
    lost: int = 0
    twice: int = 0
    disordered: int = 0
    missing: int = 0
    doubled: int = 0
    unpaired: int = 0
    wrong_sessions: int = 0
    seconds: float = 0.0
    took: float = 0.0
    broken: bool = False
    examples: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, found: list[str] | float) -> None:
        """Add a number, or the length of a list, to the count *name*. Keeps some examples."""
        facts = found if isinstance(found, list) else []
        count = len(facts) if isinstance(found, list) else found
        setattr(self, name, getattr(self, name) + count)
        self.examples += [f"{LABELS.get(name, name)}: {fact}" for fact in facts[:EXAMPLES]]

    def missed(self) -> Iterator[str]:
        """Return each missed target."""
        for item in fields(self.limits):
            limit, found = getattr(self.limits, item.name), getattr(self, item.name)
            if limit is not None and found > limit:
                yield f"{LABELS[item.name]}: {found:.3g}, at most {limit:g}"
        yield from self.failures

    @property
    def is_met(self) -> bool:
        """Whether all targets were met."""
        return not any(self.missed())
