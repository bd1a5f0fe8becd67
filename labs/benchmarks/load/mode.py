"""The base class of all loads."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labs.benchmarks.load.client import Client
from labs.benchmarks.load.crowd import Crowd
from labs.benchmarks.load.processes import Roles
from labs.benchmarks.load.report import Report


@dataclass(frozen=True)
class Target:
    """*urls* are those of interface servers, *watched* the processes to measure.

    *visit*: visits to pages create the rooms. *redis* is the port of the Redis to measure, if any.
    *client* speaks the protocol of the sockets.
    """

    urls: Sequence[str]
    watched: Roles = field(default_factory=dict)
    visit: bool = False
    redis: int | None = None
    client: type[Client] = Client


class Leaving(Protocol):
    """Clients whose connections are still open."""

    async def leave(self) -> None:
        """Close them."""


class Mode(Protocol):
    """A kind of load."""

    async def run(self, target: Target) -> tuple[Report, Leaving]:
        """Run. Returns the report and the clients, whose connections are still open.

        RuntimeError if no socket could be opened.
        """
        ...


def new_run() -> str:
    """Return a unique name for a run."""
    return secrets.token_hex(3)


async def gather_crowd(crowd: Crowd, target: Target) -> None:
    """Open the sockets of *crowd*. RuntimeError if none opened."""
    if target.visit:
        await crowd.visit()
    await crowd.enter()
    if not crowd.open:
        reasons = "; ".join(crowd.failures) or "all closed at once"
        raise RuntimeError(f"Expected {len(crowd.clients)} open sockets, got none: {reasons}.")
