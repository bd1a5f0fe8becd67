"""The vocabulary of shards: marks, log entries, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any, NamedTuple

#: The limits of a log: entries, and bytes of their payloads. Older entries are then dropped.
LOG_ENTRIES, LOG_BYTES = 100_000, 256 * 1024 * 1024

#: How many entries a puller applies in one step.
APPLIED_AT_ONCE = 50

#: How many past epochs of a source a shard remembers.
PAST_EPOCHS = 8

#: The destination of an operation for all other shards.
EVERYWHERE = "*"


class Mark(NamedTuple):
    """How far a log is known: up to the entry *seq* of *epoch*, the name of one life of its data.

    As text it is ``<epoch>:<seq>``.
    """

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"


class LogEntry(NamedTuple):
    """What one step on a shard does on others; *seq* counts the entries of an epoch, from 1.

    The *operations* are those of the layer: only its own ``apply`` reads them.
    """

    seq: int
    operations: Sequence[Any]


class Log(NamedTuple):
    """A part of a log: *entries* in order, without holes.

    *first* is the number of the oldest entry that the log has, or will have if it is empty.
    """

    epoch: str
    entries: Sequence[LogEntry]
    first: int


class Result(Enum):
    """What became of log entries.

    ``REPEATED``: all were applied before. ``GAP``: an entry before them is missing.
    ``LOST``: another puller has claimed the shard. ``PAST``: their epoch is over.
    In each of these cases nothing was done.
    """

    APPLIED = "applied"
    REPEATED = "dup"
    GAP = "gap"
    LOST = "lost"
    PAST = "old"


class ShardState(StrEnum):
    """Whether new sockets may go to a shard.

    ``NEW``: not yet, as some process may not know it. ``DRAINING``: its operator does not want
    them. ``AWAY``: it does not answer.
    """

    OPEN = "open"
    NEW = "new"
    DRAINING = "draining"
    AWAY = "away"


class ShardFacts(NamedTuple):
    """What a shard says of itself and of others.

    *states* are those of shards, as far as it was told. *newest* is the last entry of its log,
    which has so many *entries* and bytes (*size*); some shard has missed the *dropped* ones.
    *marks* say how far it has applied the logs of others. *puller* is the token of who does that,
    "" without anybody.
    """

    states: Mapping[str, ShardState]
    newest: Mark
    entries: int = 0
    size: int = 0
    dropped: int = 0
    marks: Mapping[str, Mark] = {}
    puller: str = ""


class Applied(NamedTuple):
    """The *result* of a step, and the *mark* of the source after it, None if there is none."""

    result: Result
    mark: Mark | None = None
