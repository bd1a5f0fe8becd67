"""Counts the messages that were sent and received. No I/O.

Each socket should receive the messages of one sender once, in the order of sending. Deviations are
counted:

* lost: a member of the room has not received it;
* duplicated: received again;
* out of order: received for the first time after a later one of the same sender;
* foreign: none of these messages, or one of another room.
"""

from __future__ import annotations

from labs.benchmarks.load.text import Key


class Ear:
    """What one socket has received: the latest number of each sender, and the numbers skipped."""

    __slots__ = ("latest", "skipped")

    def __init__(self) -> None:
        self.latest: dict[int, int] = {}
        self.skipped: dict[int, set[int]] = {}


class Account:
    """The counts of a run."""

    def __init__(self) -> None:
        self.sent = 0
        self.expected = 0
        self.received = 0
        self.duplicated = 0
        self.out_of_order = 0
        self.foreign = 0
        self._numbers: dict[int, int] = {}

    @property
    def lost(self) -> int:
        """The number of missing deliveries."""
        return self.expected - self.received

    def send(self, sender: int, hearers: int) -> Key:
        """Count a message that this many *hearers* should receive. Returns its key."""
        number = self._numbers.get(sender, 0) + 1
        self._numbers[sender] = number
        self.sent += 1
        self.expected += hearers
        return sender, number

    def hear(self, ear: Ear, key: Key) -> bool:
        """Count what a socket received. False if it is not a new delivery."""
        sender, number = key
        latest = ear.latest.get(sender, 0)
        if number > latest:
            if number > self._numbers.get(sender, 0):
                self.foreign += 1
                return False
            if number > latest + 1:
                ear.skipped.setdefault(sender, set()).update(range(latest + 1, number))
            ear.latest[sender] = number
        elif number in (skipped := ear.skipped.get(sender, set())):
            skipped.remove(number)
            self.out_of_order += 1
        else:
            self.duplicated += 1
            return False
        self.received += 1
        return True

    def counts(self) -> dict[str, int]:
        """Return all counts."""
        names = ("sent", "expected", "received", "lost", "duplicated", "out_of_order", "foreign")
        return {name: getattr(self, name) for name in names}
