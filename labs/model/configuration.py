"""Configurations: parts of the model that must keep all promises."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labs.model.scope import Scope
from labs.model.spin import LOOPS, STATES, Order


@dataclass(frozen=True)
class Configuration:
    """A scope whose states are searched completely. *switches* choose a variant of the design."""

    name: str
    description: str
    scope: Scope
    order: Order = STATES
    switches: tuple[str, ...] = ()


def _may(*names: str) -> frozenset[str]:
    return frozenset(names)


RELAYS = Scope(
    messages=3,
    faults=2,
    relays="BB",
    bad=1,
    may=_may("bares", "relays_die", "relays_freeze"),
)
FULL_LOG = Scope(
    messages=4, faults=2, relays="BB", limit=2, may=_may("relays_die", "relays_freeze")
)
SOURCE_EMPTY = Scope(
    messages=3, faults=2, relays="BB", lost="A", may=_may("relays_die", "relays_freeze")
)
DESTINATION_EMPTY = Scope(
    messages=3,
    faults=2,
    relays="BB",
    servers="BB",
    lost="B",
    may=_may("relays_freeze", "late"),
)
LATE_SERVER = Scope(
    messages=2, faults=2, relays="BB", servers="BB", lost="B", bad=1, may=_may("late", "relays_die")
)
BOTH_EMPTY = Scope(
    messages=2,
    faults=3,
    relays="BB",
    servers="BB",
    lost="AB",
    may=_may("relays_freeze", "late"),
    limit=4,
)
FAILOVER = Scope(
    messages=2, faults=3, relays="BB", lost="AB", may=_may("failover", "relays_freeze")
)
MEMBERS = Scope(
    messages=3,
    faults=2,
    relays="BB",
    servers="BB",
    may=_may("joins", "closes", "relays_die", "servers_die"),
)
NEW_SERVER = Scope(
    messages=3,
    faults=1,
    relays="BB",
    servers="BB",
    lost="B",
    may=_may("joins", "starts", "relays_die", "servers_die"),
)
FAR_JOINS = Scope(
    messages=3,
    faults=2,
    relays="BB",
    lost="AB",
    limit=2,
    may=_may("far_joins", "relays_die", "servers_die"),
)
BOTH_WAYS = Scope(
    messages=1,
    faults=2,
    senders="AB",
    servers="AB",
    relays="AB",
    lost="AB",
    limit=3,
    may=_may("relays_die"),
)
TWO_DESTINATIONS = Scope(
    messages=3,
    faults=1,
    servers="BC",
    relays="BC",
    lost="AB",
    limit=2,
    may=_may("bares"),
)
TWO_SOURCES = Scope(
    messages=2,
    faults=2,
    senders="AB",
    servers="C",
    relays="CC",
    may=_may("leaves", "relays_die", "relays_freeze"),
)
TWO_SOURCES_EMPTY = Scope(
    messages=1,
    faults=2,
    senders="AB",
    servers="C",
    relays="CC",
    lost="AC",
    may=_may("relays_freeze"),
)
IN_THE_MIDDLE = Scope(
    messages=1,
    faults=2,
    senders="AB",
    servers="BC",
    relays="BC",
    lost="AB",
    limit=3,
)
RING = Scope(messages=1, faults=1, senders="AB", servers="ABC", relays="ABC", lost="A", limit=3)
ALL_TO_ALL = Scope(messages=1, senders="ABC", servers="ABC", relays="ABC", limit=3)

CONFIGURATIONS = (
    Configuration(
        "relays",
        "A to B: relays die and freeze; entries for others, and a bad one",
        RELAYS,
    ),
    Configuration("full-log", "A to B: a log of two entries, so B is away for too long", FULL_LOG),
    Configuration("source-empty", "A to B: A loses its data, also twice", SOURCE_EMPTY),
    Configuration(
        "destination-empty",
        "A to B with two servers: B loses its data, one server is late",
        DESTINATION_EMPTY,
    ),
    Configuration(
        "late-server",
        "A to B with two servers: the same with a bad entry",
        LATE_SERVER,
    ),
    Configuration(
        "both-empty",
        "A to B with two servers: both lose their data, one server is late",
        BOTH_EMPTY,
    ),
    Configuration(
        "single-mark",
        "the same with two faults and one mark for each source, in place of one for each epoch",
        replace(BOTH_EMPTY, faults=2),
        switches=("SINGLE_MARK",),
    ),
    Configuration(
        "without-tokens",
        "the same with two faults, and apply does not look at lease tokens",
        replace(BOTH_EMPTY, faults=2),
        switches=("NO_TOKEN_CHECK",),
    ),
    Configuration(
        "failover",
        "A to B: A or B is lost, and a relay reads from the former master of A",
        FAILOVER,
    ),
    Configuration(
        "members", "A to B: joins, ends of connections from both sides, a dead server", MEMBERS
    ),
    Configuration("new-server", "A to B: a server starts, B loses its data", NEW_SERVER),
    Configuration(
        "far-joins",
        "A to B: A makes a socket of B join; both lose data, its server dies",
        FAR_JOINS,
    ),
    Configuration("both-ways", "A to B and back, both lose their data", BOTH_WAYS),
    Configuration(
        "two-destinations",
        "A to B and C: a log of two entries, A or B loses its data",
        TWO_DESTINATIONS,
    ),
    Configuration("two-sources", "A and B to C: A goes away for ever", TWO_SOURCES),
    Configuration("two-sources-empty", "A and B to C: A and C lose their data", TWO_SOURCES_EMPTY),
    Configuration("in-the-middle", "A to B and C, B to C: A and B lose their data", IN_THE_MIDDLE),
    Configuration("ring", "A and B to each other and to C: A loses its data", RING),
    Configuration("all-to-all", "A, B and C to each other, without faults", ALL_TO_ALL),
    Configuration(
        "relays-end",
        "relays with one fault, searched for endless loops",
        replace(RELAYS, faults=1),
        LOOPS,
    ),
    Configuration(
        "full-log-ends",
        "full-log with one fault, searched for endless loops",
        replace(FULL_LOG, faults=1),
        LOOPS,
    ),
    Configuration(
        "both-empty-ends",
        "both-empty with two faults, searched for endless loops",
        replace(BOTH_EMPTY, faults=2),
        LOOPS,
    ),
    Configuration(
        "members-end",
        "members with one fault, searched for endless loops",
        replace(MEMBERS, faults=1),
        LOOPS,
    ),
    Configuration(
        "two-sources-end",
        "two-sources with one fault, searched for endless loops",
        replace(TWO_SOURCES, faults=1),
        LOOPS,
    ),
    Configuration(
        "two-destinations-end",
        "two-destinations with two messages, searched for endless loops",
        replace(TWO_DESTINATIONS, messages=2),
        LOOPS,
    ),
)
