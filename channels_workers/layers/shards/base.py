"""The shard side of a layer: logs between shards, and their pullers.

Each shard has one log. A step that concerns other shards, such as a commit with a send to a group,
adds one entry to the log of its own shard, in the same step. The puller of a destination reads the
logs of all other shards, and applies their entries there, in order. The mark of the destination
rises in the same step, so each entry counts once, whatever dies when.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from channels_workers.layers.shards.types import (
    Applied,
    Log,
    LogEntry,
    Mark,
    ShardFacts,
    ShardState,
)
from channels_workers.layers.types import ProcessInfo


class LayerShards(ABC):
    """The logs of a layer; callable from any thread.

    Methods raise :class:`~channels_workers.exceptions.LayerUnavailable` if the shard that they name
    first does not answer.
    """

    #: Whether each step has reached the other shards when it returns, so that nobody must pull.
    is_immediate = False

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Return the names of all shards, in order."""

    @abstractmethod
    def claim(self, destination: str, token: str, seconds: float) -> bool:
        """Claim to be the only puller of *destination* for some *seconds*, or renew the claim.

        *token* is a random id of the puller. Return False if another one has claimed it.
        """

    @abstractmethod
    def release(self, destination: str, token: str) -> None:
        """Give up a claim, so that another puller goes on at once."""

    @abstractmethod
    def marks(self, destination: str) -> dict[str, Mark]:
        """Return how far *destination* has applied the log of each source."""

    @abstractmethod
    def read_log(self, source: str, mark: Mark | None, most: int, timeout: float) -> Log:
        """Return up to *most* entries after *mark*, or the first ones if its epoch is over.

        Wait up to *timeout* seconds for an entry if there is none.
        """

    @abstractmethod
    def apply(
        self, destination: str, token: str, source: str, epoch: str, entries: Sequence[LogEntry]
    ) -> Applied:
        """Apply consecutive *entries* of the log of *source*, and raise its mark, in one step.

        Entries up to the mark are skipped. The servers of *destination* learn of a gap if the mark
        had another epoch: what of that was not pulled is lost.
        """

    @abstractmethod
    def note_gap(self, destination: str, token: str, source: str, mark: Mark) -> Applied:
        """Raise the mark of *source*: the log has lost entries up to *mark*, or begins with it.

        The servers of *destination* learn of the gap, unless it had no mark of *source* before:
        then nobody there has missed anything.
        """

    @abstractmethod
    def look(self, shard: str) -> ShardFacts:
        """Return what *shard* says of itself and of others."""

    @abstractmethod
    def processes(self, shard: str) -> dict[str, ProcessInfo]:
        """Return the processes that are registered on *shard*, by id."""

    @abstractmethod
    def note_state(self, shard: str, other: str, state: ShardState) -> None:
        """Note on *shard* the state of itself, or of the *other* one."""

    @abstractmethod
    def trim(self, source: str, destination: str, mark: Mark) -> None:
        """Note that *destination* needs nothing up to *mark*, and delete what no shard needs."""
