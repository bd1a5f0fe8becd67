"""What a store has beside its own data if it is one of several shards: log, marks and claim."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from channels_workers.layers.history import Histories, Position
from channels_workers.layers.shards.types import (
    LOG_BYTES,
    LOG_ENTRIES,
    PAST_EPOCHS,
    Applied,
    LogEntry,
    Mark,
    Result,
    ShardState,
)
from channels_workers.layers.types import (
    InboxKind,
    InboxOperation,
    Operation,
    Session,
    new_id,
)

#: What names the lost entries if nobody can know them.
UNKNOWN = "?"


class KeptSend(NamedTuple):
    """Send *payload* to a group with history, whose home is elsewhere and gives it a position.

    The sender's options count, as the puller may have others.
    """

    group: str
    payload: bytes
    histories: Histories


class Positioned(NamedTuple):
    """Send *payload* to a group with history, whose home has given it this *position*."""

    group: str
    payload: bytes
    histories: Histories
    position: Position


Loggable = Operation | Session | KeptSend | Positioned


class Logged(NamedTuple):
    """An operation for the shard *destination*, or for all others; its messages have this *id*."""

    destination: str
    id: str
    operation: Loggable


def gap(source: str, mark: Mark, lost: str) -> list[InboxOperation]:
    """Return what tells a server that *lost* entries of *source* up to *mark* are missing."""
    return [
        InboxOperation(InboxKind.HEARD, source, str(mark).encode()),
        InboxOperation(InboxKind.GAP, source, lost.encode()),
    ]


@dataclass
class ShardLog:
    """The log of a shard in one *epoch*, up to the entry *last*; its *size* is in bytes."""

    epoch: str = field(default_factory=new_id)
    entries: deque[LogEntry] = field(default_factory=deque)
    last: int = 0
    size: int = 0
    #: Up to which entry each other shard needs nothing more.
    processed: dict[str, int] = field(default_factory=dict)
    #: How many entries were dropped that some shard has not processed.
    dropped: int = 0
    most_entries: int = LOG_ENTRIES
    most_bytes: int = LOG_BYTES

    @property
    def first(self) -> int:
        """The number of the oldest entry."""
        return self.last - len(self.entries) + 1

    def append(self, operations: Sequence[Logged]) -> None:
        """Add an entry; drop the oldest ones that are too many, or too large together."""
        self.last += 1
        self.entries.append(LogEntry(self.last, operations))
        self.size += _size_of(operations)
        while len(self.entries) > self.most_entries or self.size > self.most_bytes:
            self._drop()
            self.dropped += 1

    def _drop(self) -> None:
        self.size -= _size_of(self.entries.popleft().operations)

    def after(self, seq: int, most: int) -> list[LogEntry]:
        """Return up to *most* entries after the number *seq*."""
        begin = max(0, seq - self.first + 1)
        return list(islice(self.entries, begin, begin + most))

    def trim(self, destination: str, seq: int, others: Iterable[str]) -> None:
        """Note that *destination* has processed *seq*; drop what all *others* have."""
        self.processed[destination] = max(seq, self.processed.get(destination, 0))
        lowest = min(self.processed.get(name, 0) for name in others)
        while self.entries and self.entries[0].seq <= lowest:
            self._drop()

    def flush(self) -> None:
        """Delete all operations; the entries stay, so that no shard sees a gap."""
        self.entries = deque(LogEntry(entry.seq, ()) for entry in self.entries)
        self.size = 0


def _size_of(operations: Iterable[Logged]) -> int:
    return sum(len(getattr(each.operation, "payload", b"")) for each in operations)


@dataclass
class ShardData:
    """The part of the data of shard *name*, one of *names*, that concerns other shards."""

    name: str
    names: Sequence[str]
    log: ShardLog = field(default_factory=ShardLog)
    #: How far this shard has applied the log of each source, and its epochs before that.
    marks: dict[str, Mark] = field(default_factory=dict)
    past: dict[str, deque[str]] = field(default_factory=dict)
    #: The token of the puller, since when and for how long it has the claim.
    claim: tuple[str, float, float] = ("", 0.0, 0.0)
    #: The tokens of pullers that had the claim when the shard lost its data. In Redis, tokens name
    #: processes, which register again under other ids.
    void: frozenset[str] = frozenset()
    #: Up to where the data of the shard itself have the effects of each source. After a loss of
    #: data, marks may be lower, for servers that have not heard all.
    own: dict[str, Mark] = field(default_factory=dict)
    #: The states of this shard, and of others as far as it was told.
    states: dict[str, ShardState] = field(default_factory=dict)
    #: What each server that has registered again had heard, and what an older copy of the data
    #: had applied, under "".
    heard: dict[str, dict[str, Mark]] = field(default_factory=dict)

    @property
    def others(self) -> list[str]:
        """The names of the other shards."""
        return [name for name in self.names if name != self.name]

    def claims(self, token: str, seconds: float, now: float) -> bool:
        """Let a puller have the claim from *now* on, unless another one has it."""
        holder, since, duration = self.claim
        if token in self.void:
            return False
        if holder not in ("", token) and since <= now < since + duration:
            return False
        self.claim = (token, now, seconds)
        return True

    def refusal(self, token: str, source: str, epoch: str) -> Applied | None:
        """Return why a puller must not write, None if it may."""
        if self.claim[0] != token:
            return Applied(Result.LOST)
        if epoch in self.past.get(source, ()):
            return Applied(Result.PAST, self.marks.get(source))
        return None

    def advance(self, source: str, mark: Mark) -> Applied:
        """Raise the mark of *source*."""
        known = self.marks.get(source)
        if known is not None and known.epoch not in ("", mark.epoch):
            self.past.setdefault(source, deque(maxlen=PAST_EPOCHS)).append(known.epoch)
        self.marks[source] = mark
        self._raise_own(source, mark)
        return Applied(Result.APPLIED, mark)

    def begin_anew(self, *, is_copy: bool) -> None:
        """Begin after a loss of data. This is an older copy, or worth nothing."""
        self.log = ShardLog(most_entries=self.log.most_entries, most_bytes=self.log.most_bytes)
        self.heard = {"": self.marks} if is_copy else {}
        if not is_copy:
            self.past, self.own, self.states = {}, {}, {}
        self.marks, self.claim = {}, ("", 0.0, 0.0)

    def find_marks(self) -> None:
        """Set the marks to what all servers have heard, once they have registered again."""
        heard = list(self.heard.values())
        sources = {source for each in heard for source in each}
        self.marks = {source: _lowest(source, heard) for source in sources}
        for each in heard:  # what any of them had heard was applied here
            for source, mark in each.items():
                if mark.epoch not in self.past.get(source, ()):
                    self._raise_own(source, mark)

    def _raise_own(self, source: str, mark: Mark) -> None:
        own = self.own.get(source)
        if own is None or own.epoch != mark.epoch or own.seq < mark.seq:
            self.own[source] = mark

    def has(self, source: str, mark: Mark) -> bool:
        """Say whether the data of the shard itself have the effects of an entry."""
        return _reaches(self.own.get(source), mark)

    def has_heard(self, server: str, source: str, mark: Mark) -> bool:
        """Say whether a server had heard an entry when it registered again."""
        return _reaches(self.heard.get(server, {}).get(source), mark)


def _reaches(known: Mark | None, mark: Mark) -> bool:
    return known is not None and known.epoch == mark.epoch and known.seq >= mark.seq


def _lowest(source: str, heard: Sequence[dict[str, Mark]]) -> Mark:
    """Return the lowest mark; one that fits no epoch if they have several."""
    marks = [each.get(source) for each in heard]
    epochs = {mark.epoch for mark in marks if mark is not None}
    if len(epochs) > 1:
        return Mark("", 0)
    return Mark(epochs.pop(), min(0 if mark is None else mark.seq for mark in marks))
