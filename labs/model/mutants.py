"""Mutants: the model with a deliberate mistake, which a promise must catch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labs.model.configuration import (
    BOTH_EMPTY,
    DESTINATION_EMPTY,
    FAILOVER,
    FAR_JOINS,
    LATE_SERVER,
    MEMBERS,
    RELAYS,
    SOURCE_EMPTY,
    TWO_DESTINATIONS,
    TWO_SOURCES,
)
from labs.model.promises import COMES_TO_REST, ENDS
from labs.model.scope import Scope
from labs.model.spin import LOOPS, SHORTEST, Order


@dataclass(frozen=True)
class Mutant:
    """What *switches* break in a *scope*, and the promise that is then violated."""

    name: str
    description: str
    switches: tuple[str, ...]
    scope: Scope
    violates: str
    order: Order = SHORTEST


_FULL_LOG = Scope(messages=3, limit=2)
_BARE = Scope(messages=3, may=frozenset({"bares"}))
_QUIET = replace(DESTINATION_EMPTY, messages=2)
_LATE = replace(BOTH_EMPTY, may=frozenset({"late"}))
_JOINS = replace(MEMBERS, messages=2, faults=0, may=frozenset({"joins"}))
_TWO = replace(TWO_DESTINATIONS, messages=2, lost="", limit=5, may=frozenset())
_AWAY = replace(TWO_SOURCES, messages=1, faults=1, relays="C", may=frozenset({"leaves"}))

#: The design as it was written first.
AS_WRITTEN = (
    Mutant(
        "gap-at-next-entry",
        "first design: a lost shard is noticed at the first entry of its new epoch",
        ("GAP_AT_NEXT_ENTRY",),
        replace(SOURCE_EMPTY, faults=1),
        "heard-or-told",
    ),
    Mutant(
        "gap-needs-entry",
        "first design: a gap is noticed at the entry behind it",
        ("GAP_NEEDS_ENTRY",),
        _QUIET,
        "heard-or-told",
    ),
    Mutant(
        "trim-unheard",
        "first design: logs are trimmed as far as they are applied, heard or not",
        ("TRIM_UNHEARD",),
        _QUIET,
        "no-needless-loss",
    ),
    Mutant(
        "left-epochs",
        "first design: apply accepts an epoch that the shard has left, from a former master",
        ("LEFT_EPOCHS",),
        FAILOVER,
        "order",
    ),
    Mutant(
        "tokens-restart",
        "the same, and lease tokens are counted on the shard, so they begin anew after a loss",
        ("LEFT_EPOCHS", "TOKEN_RESTARTS"),
        replace(BOTH_EMPTY, faults=2),
        "order",
    ),
    Mutant(
        "late-server-keeps-mark",
        "first design: a server that registers when relays have gone on does not lower the mark",
        ("LATE_KEEPS_MARK",),
        _QUIET,
        "heard-or-told",
    ),
    Mutant(
        "other-life-keeps-mark",
        "first design: a server that knows no epoch, or another, does not lower the mark",
        ("KEEP_LIFE",),
        _LATE,
        "heard-or-told",
    ),
    Mutant(
        "own-effects-again",
        "first design: the mark that goes back repeats dead letters and sends to channels",
        ("OWN_AGAIN",),
        LATE_SERVER,
        "one-dead-letter",
    ),
    Mutant(
        "resume-elsewhere",
        "first design: a connection is resumed on another shard",
        ("MOVED",),
        replace(_AWAY, faults=0, may=frozenset()),
        "order",
    ),
)

MISTAKES = (
    Mutant(
        "no-mark",
        "apply does not look at the mark",
        ("NO_MARK",),
        replace(RELAYS, faults=1),
        "one-dead-letter",
    ),
    Mutant(
        "no-mark-no-skip",
        "the same, and servers do not skip what they know",
        ("NO_MARK", "NO_SKIP"),
        replace(RELAYS, bad=0),
        "once",
    ),
    Mutant(
        "mark-outside",
        "apply raises the mark in a second step",
        ("MARK_OUTSIDE",),
        replace(RELAYS, faults=1),
        "one-dead-letter",
    ),
    Mutant(
        "mark-outside-no-skip",
        "the same, and servers do not skip what they know",
        ("MARK_OUTSIDE", "NO_SKIP"),
        replace(RELAYS, bad=0),
        "once",
    ),
    Mutant(
        "no-epoch-in-mark",
        "marks do not name the epoch of the log",
        ("NO_EPOCH_IN_MARK",),
        SOURCE_EMPTY,
        "heard-or-told",
    ),
    Mutant(
        "same-epoch",
        "a shard with old or no data keeps its epoch",
        ("SAME_EPOCH",),
        SOURCE_EMPTY,
        "heard-or-told",
    ),
    Mutant(
        "no-token-check",
        "apply looks neither at the lease token nor for epochs that were left",
        ("NO_TOKEN_CHECK", "LEFT_EPOCHS"),
        SOURCE_EMPTY,
        "order",
    ),
    Mutant(
        "single-mark-no-token-check",
        "the same with one mark for each source",
        ("NO_TOKEN_CHECK", "LEFT_EPOCHS", "SINGLE_MARK"),
        BOTH_EMPTY,
        "order",
    ),
    Mutant(
        "trim-early",
        "a log is trimmed when its first destination has reported",
        ("TRIM_EARLY",),
        _TWO,
        "no-needless-loss",
    ),
    Mutant(
        "trim-reported",
        "a log waits only for destinations that have reported before",
        ("TRIM_REPORTED",),
        _TWO,
        "no-needless-loss",
    ),
    Mutant(
        "trim-on-read",
        "a relay trims what it has read",
        ("TRIM_ON_READ",),
        RELAYS,
        "no-needless-loss",
    ),
    Mutant(
        "report-without-epoch",
        "a report does not name the epoch of the log",
        ("REPORT_WITHOUT_EPOCH",),
        SOURCE_EMPTY,
        "no-needless-loss",
    ),
    Mutant(
        "cursor-skips",
        "apply raises the mark to the end of the log",
        ("CURSOR_SKIPS",),
        RELAYS,
        "heard-or-told",
    ),
    Mutant(
        "silent-gap",
        "apply accepts a gap and tells nobody",
        ("SILENT_GAP",),
        _FULL_LOG,
        "heard-or-told",
    ),
    Mutant(
        "first-server-sets-mark",
        "the mark is that of the first server that registers, not the lowest",
        ("KEEP_MARK",),
        _QUIET,
        "heard-or-told",
    ),
    Mutant("no-skip", "servers do not skip what they know", ("NO_SKIP",), _QUIET, "once"),
    Mutant(
        "go-on-early",
        "relays go on when the first server has registered",
        ("GO_ON_EARLY",),
        _QUIET,
        "no-needless-loss",
    ),
    Mutant(
        "no-heartbeat",
        "positions move only with messages, not with heartbeats",
        ("NO_BEAT",),
        _BARE,
        "logs-drain",
    ),
    Mutant(
        "heartbeat-back",
        "a heartbeat may move a position back",
        ("BEAT_BACK",),
        _QUIET,
        "once",
    ),
    Mutant(
        "bad-entry-stops",
        "a bad entry fails, and the mark stays",
        ("BAD_STOPS",),
        replace(RELAYS, faults=0, messages=2),
        ENDS,
        LOOPS,
    ),
    Mutant(
        "bad-entry-halfway",
        "apply fails at a bad entry after it has written those before it",
        ("BAD_HALF",),
        replace(RELAYS, faults=0, messages=2),
        "bounded-inboxes",
    ),
    Mutant(
        "wait-for-source",
        "a relay waits for a source that is away",
        ("WAIT_FOR_SOURCE",),
        _AWAY,
        COMES_TO_REST,
    ),
    Mutant(
        "directory",
        "senders keep a directory of the shards with members",
        ("DIRECTORY",),
        _JOINS,
        "heard-or-told",
    ),
    Mutant(
        "two-step-join",
        "a join returns before its shard has noted it",
        ("TWO_STEP_JOIN",),
        _JOINS,
        "heard-or-told",
    ),
    Mutant(
        "far-join-unchecked",
        "a join from another shard does not look at the record of the connection",
        ("JOIN_UNCHECKED",),
        replace(FAR_JOINS, lost="", faults=1, may=frozenset({"far_joins", "servers_die"})),
        "no-ghosts",
    ),
    Mutant(
        "split-commit",
        "the log entry is a second step after the commit",
        ("SPLIT_COMMIT",),
        replace(RELAYS, faults=1),
        "heard-or-told",
    ),
    Mutant(
        "no-delivery-check",
        "a commit does not look at who holds the delivery",
        ("NO_DELIVERY_CHECK",),
        replace(RELAYS, faults=1),
        "once",
    ),
    Mutant(
        "close-unchecked",
        "a close does not look at the record of the connection",
        ("CLOSE_UNCHECKED",),
        MEMBERS,
        "one-disconnect",
    ),
)

MUTANTS = (*AS_WRITTEN, *MISTAKES)
