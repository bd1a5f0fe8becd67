"""The relay side of a layer: it carries out stored sends, each once, for one relay at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from channels_workers.layers.types import GroupSend, Send


class StoredOperation(NamedTuple):
    """A send that is stored elsewhere under *key*, a unique name of letters and digits.

    A message to an ordinary channel gets the id ``<key>.1``.
    """

    key: str
    operation: Send | GroupSend


class Claim(NamedTuple):
    """The claim of a relay to be the only one of *database*, for some *seconds* from now on.

    *holder* is a random id of the relay. If it *renews* its claim, the fencing token stays.
    """

    database: str
    holder: str
    seconds: float
    renews: bool = True


class Claimed(NamedTuple):
    """A database is claimed, with a fencing token; *kept* are the keys that are remembered."""

    fence: str
    kept: list[str]


class Relayed(Enum):
    """What became of a stored send. ``REPEATED``: it was carried out before.

    ``FULL``: its channel is full, and nothing was done.
    """

    DONE = "done"
    REPEATED = "repeated"
    FULL = "full"


class LayerRelays(ABC):
    """Carries out the sends that are stored in databases; callable from any thread.

    The layer remembers the keys of sends until the relay lets it forget them, after it has deleted
    their rows. A send that comes again meanwhile does nothing. Each new claim gets another fencing
    token, which sends compare in the same step. So a relay that was frozen can do nothing after
    another one has claimed its database, and a request that was delayed can do nothing either.

    Methods raise :class:`~channels_workers.exceptions.LayerUnavailable` if a server does not
    answer.
    """

    @abstractmethod
    def claim(self, claim: Claim, forget: Sequence[str] = ()) -> Claimed | None:
        """Claim a database, or renew the claim, and *forget* keys.

        Return None if another relay has claimed it. Zero seconds give the claim up.
        """

    @abstractmethod
    def send_once(
        self, database: str, fence: str, sends: Sequence[StoredOperation]
    ) -> list[Relayed] | None:
        """Carry out *sends* in one step, in order, and remember their keys.

        Return what became of each; None if the claim to *database* has another *fence*: nothing was
        done. After :class:`LayerUnavailable` they may be carried out yet: claim anew before you
        delete their rows, without renewing.
        """

    @abstractmethod
    def nudge(self, using: str) -> None:
        """End the wait of a relay of the database with the alias *using*, or the next one."""

    @abstractmethod
    def wait(self, using: str, timeout: float) -> None:
        """Wait for a nudge, up to *timeout* seconds."""
