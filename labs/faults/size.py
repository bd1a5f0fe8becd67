"""The size of the load, and the duration of faults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """*rooms* with *each* people, who talk every *interval* (s)."""

    rooms: int
    each: int
    interval: float
    quick: bool

    def choose(self, full: float, quick: float) -> float:
        """Return *quick* in a quick run, otherwise *full*."""
        return quick if self.quick else full


#: 40 rooms, 200 sockets, 200 messages a second; and a tenth of it.
FULL = Size(rooms=40, each=5, interval=1.0, quick=False)
QUICK = Size(rooms=4, each=5, interval=1.0, quick=True)
