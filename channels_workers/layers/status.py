"""What goes on in a layer, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from channels_workers.layers.types import (
    ProcessInfo,
)


@dataclass(frozen=True)
class ServerStatus:
    """An interface server; *inbox* counts entries that it has not dropped yet."""

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
    """A channel that workers listen to; *oldest* is the age of what waits longest (s)."""

    name: str
    waiting: int
    under_way: int
    oldest: float | None


@dataclass(frozen=True)
class Status:
    """Everything at one moment; *recovering*: all register again after a loss of data.

    *set_aside* counts notes of what came and nobody could read, *unreadable* what stands there and
    cannot be read now.
    """

    servers: list[ServerStatus] = field(default_factory=list)
    workers: list[WorkerStatus] = field(default_factory=list)
    channels: list[ChannelStatus] = field(default_factory=list)
    dead_letters: int = 0
    recovering: bool = False
    set_aside: int = 0
    unreadable: int = 0
