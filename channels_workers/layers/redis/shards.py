"""The shard side of the Redis layer: logs between several Redis; see ``lua/lib/log.lua``."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import redis.exceptions

from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.marks import read_mark, read_marks
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.redis.status import read_about
from channels_workers.layers.redis.told import LONGEST_BLOCK
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.types import (
    EVERYWHERE,
    Applied,
    Log,
    LogEntry,
    Mark,
    Result,
    ShardFacts,
    ShardState,
)
from channels_workers.layers.types import ProcessInfo
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: What one call applies at most: entries and operations together, so that a server gets one inbox
#: entry (``lib/outbox.lua`` has the same number), and bytes of values. A larger entry comes alone.
MOST, MOST_BYTES = 1_000, 262_144

#: A source that does not answer is asked for the beginning of its log again after so long (s).
ASKED_AGAIN = 5.0

#: A source whose epoch is over for so long (s) has gone back to it, as after a failover.
PAST_FOR = 30.0

#: The first field of an entry that a flush has written; see ``flush_log.lua``.
FLUSHED = b"f*"

LOST = "The Redis at %s has lost its data, and nobody has registered there yet."

REFUSED = (
    "An entry in the log of shard %s cannot be applied to shard %s. It is a dead letter there now. "
    "Do all processes run the same release?"
)


class RedisShards(LayerShards):
    """The logs of several Redis; *clients* by the names of the shards, in order."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self._past_since: dict[tuple[str, str], tuple[str, float]] = {}
        self._asked_at: dict[str, float] = {}  # when a source did not answer

    def names(self) -> Sequence[str]:
        """Return the names of all shards, in order."""
        return tuple(self._clients)

    def claim(self, destination: str, token: str, seconds: float) -> bool:
        """Claim to be the only puller, or renew the claim.

        A *token* may begin with a process, ``<process id>z<hexadecimal digits>``: another puller
        takes over at once when that is not registered any more.
        """
        claimed: int = self._call(destination, "claim_puller", [token, round(seconds * 1_000_000)])
        return bool(claimed)

    def release(self, destination: str, token: str) -> None:
        """Give up a claim."""
        self.claim(destination, token, 0)

    def marks(self, destination: str) -> dict[str, Mark]:
        """Return how far *destination* has applied the log of each source.

        A source that it has never heard of begins where its log was when it learned of
        *destination*.
        """
        found: dict[bytes, bytes] = self._clients[destination].read("HGETALL", "marks", "hash")
        marks = dict(read_marks(found.items()))
        for source in self._clients.keys() - marks.keys() - {destination}:
            if time.monotonic() >= self._asked_at.get(source, 0.0) + ASKED_AGAIN:
                try:
                    marks[source] = self._begin(source, destination)
                except LayerUnavailable as error:
                    self._asked_at[source] = time.monotonic()
                    logger.debug("Shard %s does not answer: %s", source, error)
        return marks

    def _begin(self, source: str, destination: str) -> Mark:
        client = self._clients[source]
        epoch, processed = client.ask(
            ("GET", client.key("epoch")), ("HGET", client.key("processed"), destination), quick=True
        )
        known = read_mark(processed)
        mark = Mark(self._readable(source, epoch), 0)
        if known is not None and known.epoch == mark.epoch:
            mark = known
        self._call(destination, "begin_mark", [source, *mark])
        return mark

    def read_log(self, source: str, mark: Mark | None, most: int, timeout: float) -> Log:
        """Return up to *most* entries after *mark*; wait in one command, up to two seconds."""
        client = self._clients[source]
        epoch, after = mark or ("", 0)
        log = ("STREAMS", client.key(f"log:{epoch}"), f"{after}-0")
        wait = ("BLOCK", round(min(timeout, LONGEST_BLOCK) * 1000)) if timeout and epoch else ()
        found, current = client.ask(
            ("XREAD", "COUNT", most, *wait, *log), ("GET", client.key("epoch"))
        )
        if (name := self._readable(source, current)) != epoch:
            epoch, after = name, 0
            log = ("STREAMS", client.key(f"log:{epoch}"), "0-0")
            (found,) = client.ask(("XREAD", "COUNT", most, *log))
        entries = list(islice(_read_entries(found[0][1], after), most)) if found else []
        return Log(epoch, entries, entries[0].seq if entries else after + 1)

    def _readable(self, shard: str, epoch: bytes | None) -> str:
        if not epoch:
            raise LayerUnavailable(LOST % self._clients[shard])
        return epoch.decode("utf-8", "backslashreplace")

    def apply(
        self, destination: str, token: str, source: str, epoch: str, entries: Sequence[LogEntry]
    ) -> Applied:
        """Apply *entries*, in several steps if they are many.

        An entry that Redis refuses becomes a dead letter.
        """
        applied = Applied(Result.REPEATED)
        for part in parts_of(entries, destination):
            applied = self._apply(destination, [token, source, epoch], part)
            if applied.result not in (Result.APPLIED, Result.REPEATED):
                break
        newest = Mark(epoch, entries[-1].seq)
        return self._unless_past(applied, destination, token, source, newest)

    def _unless_past(
        self, applied: Applied, destination: str, token: str, source: str, newest: Mark
    ) -> Applied:
        """Return *applied*; go on at the *newest* mark, with a gap, if its epoch is long over."""
        key = destination, source
        if applied.result is not Result.PAST:
            self._past_since.pop(key, None)
            return applied
        epoch, since = self._past_since.setdefault(key, (newest.epoch, time.monotonic()))
        if epoch != newest.epoch:
            del self._past_since[key]
        elif time.monotonic() > since + PAST_FOR:
            again: Arguments = [token, source, *newest, "again"]
            return _read_applied(self._call(destination, "note_gap", again))
        return applied

    def _apply(
        self, destination: str, known: Arguments, entries: Sequence[LogEntry], reason: str = ""
    ) -> Applied:
        kept = configuration().DEAD_LETTERS
        arguments: Arguments = [*known, entries[0].seq, kept, reason]
        for entry in entries:
            arguments += (len(entry.operations), *entry.operations)
        try:
            reply = self._call(destination, "apply", arguments)
        except redis.exceptions.ResponseError as error:
            if reason:
                raise
            return self._apply_alone(destination, known, entries, error)
        if len(reply) > 3 and reply[3]:
            extra = fields("log_entry_refused")
            logger.error(REFUSED, known[1], destination, extra=extra)
        return _read_applied(reply)

    def _apply_alone(
        self,
        destination: str,
        known: Arguments,
        entries: Sequence[LogEntry],
        error: Exception,
    ) -> Applied:
        if len(entries) == 1:
            return self._apply(destination, known, entries, f"Redis refuses it ({error})")
        for entry in entries:
            applied = self._apply(destination, known, [entry])
        return applied

    def note_gap(self, destination: str, token: str, source: str, mark: Mark) -> Applied:
        """Raise the mark of *source* over lost entries; tell the servers of the destination."""
        noted = _read_applied(self._call(destination, "note_gap", [token, source, *mark, ""]))
        return self._unless_past(noted, destination, token, source, mark)

    def look(self, shard: str) -> ShardFacts:
        """Return what *shard* says; in two requests."""
        client = self._clients[shard]
        epoch, states, marks, claim, dropped = client.ask(
            ("GET", client.key("epoch")),
            ("HGETALL", client.key("shard_states")),
            ("HGETALL", client.key("marks")),
            ("GET", client.key("puller")),
            ("HGET", client.key("logs"), ":dropped"),
            quick=True,
        )
        name = (epoch or b"").decode("utf-8", "backslashreplace")
        newest, entries, size = client.ask(
            ("HGET", client.key("logs"), name),
            ("XLEN", client.key(f"log:{name}")),
            ("MEMORY", "USAGE", client.key(f"log:{name}")),
            quick=True,
        )
        return ShardFacts(
            _read_states(states),
            Mark(name, int(newest or 0)),
            entries,
            size or 0,
            int(dropped or 0),
            dict(read_marks(marks.items())),
            (claim or b"").partition(b":")[0].decode("utf-8", "backslashreplace"),
        )

    def processes(self, shard: str) -> dict[str, ProcessInfo]:
        """Return the registered processes that can be read."""
        client = self._clients[shard]
        alive, known = client.ask(
            ("HGETALL", client.key("processes")),
            ("HGETALL", client.key("process_info")),
            quick=True,
        )
        found = {name.decode("utf-8", "backslashreplace"): known.get(name) for name in alive}
        about = {name: read_about(text) for name, text in found.items() if text}
        return {name: each for name, each in about.items() if each is not None}

    def note_state(self, shard: str, other: str, state: ShardState) -> None:
        """Note the state of *other* on *shard*."""
        client = self._clients[shard]
        client.ask(("HSET", client.key("shard_states"), other, state.value), quick=True)

    def trim(self, source: str, destination: str, mark: Mark) -> None:
        """Note that *destination* needs nothing up to *mark*, and delete what no shard needs."""
        self._call(source, "trim_log", [destination, *mark])

    def forget(self, shard: str, other: str) -> None:
        """Let *shard* forget the *other* one, which is gone for good: its log may be trimmed."""
        self._call(shard, "forget_shard", [other])

    def _call(self, shard: str, script: str, arguments: Arguments) -> Any:
        return self._clients[shard].call(Request(script, arguments))


def parts_of(entries: Sequence[LogEntry], destination: str) -> Iterator[list[LogEntry]]:
    """Yield *entries* with their operations for *destination*, as many as one step applies."""
    part, count, size = list[LogEntry](), 0, 0
    here = (EVERYWHERE.encode(), destination.encode(), b"")  # none is unreadable
    for entry in entries:
        operations = _operations_for(here, entry.operations)
        added = 1 + len(operations) // 4, sum(map(len, operations[3::4]))
        if part and (count + added[0] > MOST or size + added[1] > MOST_BYTES):
            yield part
            part, count, size = [], 0, 0
        part.append(LogEntry(entry.seq, operations))
        count, size = count + added[0], size + added[1]
    if part:
        yield part


def _operations_for(here: tuple[bytes, ...], operations: Sequence[bytes]) -> Sequence[bytes]:
    if all(each[1:] in here for each in operations[::4]):
        return operations
    kept = [at for at in range(0, len(operations), 4) if operations[at][1:] in here]
    return [part for at in kept for part in operations[at : at + 4]]


def _read_entries(found: Sequence[Any], after: int) -> Iterator[LogEntry]:
    """Yield the entries of a log after the number *after*, also those that a flush has deleted."""
    for entry, operations in found:
        seq = int(entry.partition(b"-")[0])
        is_flush = operations[0] == FLUSHED
        if is_flush:
            yield from (LogEntry(number, ()) for number in range(after + 1, seq))
        yield LogEntry(seq, () if is_flush else operations)
        after = seq


def _read_applied(reply: Sequence[Any]) -> Applied:
    result = Result(reply[0].decode())
    if len(reply) == 1:
        return Applied(result)
    return Applied(result, Mark(reply[1].decode(), reply[2]))


def _read_states(found: Mapping[bytes, bytes]) -> dict[str, ShardState]:
    known = {state.value.encode(): state for state in ShardState}
    return {
        shard.decode("utf-8", "backslashreplace"): known[value]
        for shard, value in found.items()
        if value in known
    }
