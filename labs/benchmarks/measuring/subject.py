"""Subjects and measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import Cores
from labs.benchmarks.serving.rooms import find_room

#: All processes of a site share one core, and the load has another.
SITE, LOAD = frozenset({0}), frozenset({1})


@dataclass(frozen=True)
class Subject:
    """A room, its arrangement, and the cores of the load."""

    name: str
    room: str
    arrangement: Arrangement
    load: Cores = LOAD

    def __post_init__(self) -> None:
        find_room(self.room)


@dataclass(frozen=True)
class Measurement:
    """A load on a subject, with its own *name*. *options* are those of the mode."""

    subject: Subject
    name: str
    mode: str
    options: Mapping[str, float] = field(default_factory=dict)
    #: Whether requests to Redis are counted, which slows everything down, or their time is
    #: measured.
    counts_requests: bool = False
    times_redis: bool = False
    #: How many workers are killed per minute, each with another one in its place.
    kills: float = 0.0
    #: What the sockets speak, a name of ``load.protocols``; "" is what the room speaks.
    protocol: str = ""
