"""The state of a layer, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from channels_workers.layers.types import ProcessInfo

Numbers = dict[str, float]


@dataclass(frozen=True)
class ServerStatus:
    """An interface server; *inbox* counts the entries that were not trimmed yet."""

    id: str
    about: ProcessInfo
    connections: int
    groups: int
    inbox: int


@dataclass(frozen=True)
class WorkerStatus:
    """A worker process; *busy* counts its threads that hold messages."""

    id: str
    about: ProcessInfo
    busy: int


@dataclass(frozen=True)
class ChannelStatus:
    """The messages of an ordinary channel, *waiting* or *in_flight*: held by a worker.

    *oldest* is the age of the oldest of them (s). So many live *workers* listen to the channel.
    """

    name: str
    waiting: int
    in_flight: int
    oldest: float | None
    workers: int = 0


@dataclass(frozen=True)
class Status:
    """Everything at one moment; *recovering* after a loss of data, while processes register again.

    *delayed* counts delayed messages. The next one is due at *next_due* (Unix time, s), None
    without one.
    So many connections are *parked*: they wait for their clients to come back.
    So many *histories* of groups are kept, with *history_bytes* together.
    *format* is the version of its data.
    *set_aside* counts notes of unreadable data, *unreadable* the keys and fields that this very
    status could not read.
    """

    servers: list[ServerStatus] = field(default_factory=list)
    workers: list[WorkerStatus] = field(default_factory=list)
    channels: list[ChannelStatus] = field(default_factory=list)
    dead_letters: int = 0
    delayed: int = 0
    next_due: float | None = None
    recovering: bool = False
    format: int = 0
    set_aside: int = 0
    unreadable: int = 0
    histories: int = 0
    history_bytes: int = 0
    parked: int = 0


def count_listeners(workers: Iterable[ProcessInfo]) -> Counter[str]:
    """Return how many of *workers* listen to each channel."""
    return Counter(name for about in workers for name in set(about.channels))


def load_of(status: Status) -> Numbers:
    """Return the load: ages in seconds, and the share of threads that are busy, from 0 to 1."""
    waiting = [channel for channel in status.channels if channel.waiting]
    threads = sum(worker.about.threads for worker in status.workers)
    busy = sum(worker.busy for worker in status.workers)
    return {
        "oldest": round(max((channel.oldest or 0.0 for channel in waiting), default=0.0), 3),
        "waiting": sum(channel.waiting for channel in waiting),
        "busy": round(busy / threads, 3) if threads else 0.0,
        "threads": threads,
        "workers": len(status.workers),
    }
