"""The base class of faults: what happens to a site under load, and its limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from labs.faults import endings
from labs.faults.diaries import read_runs
from labs.faults.row import Limits
from labs.faults.site import Setting, Site
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd import hearing
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript


class Fault(ABC):
    """A row of the table. Each is in a module of ``cases/`` and in ``registry.py``."""

    name: ClassVar[str]
    description: ClassVar[str]
    limits: Limits = Limits()

    #: The kinds of the interface servers.
    servers: tuple[str, ...] = ("daphne", "daphne")

    #: How many processes must be declared dead, or None if it does not matter.
    deaths: int | None = None

    #: Time-out until everything is calm again after the fault (s).
    calm_timeout: float = 30.0

    def setting(self, folder: Path) -> Setting:
        """Return the setup of the site. *folder* may hold its files."""
        return Setting(servers=self.servers)

    def site(self, folder: Path, engine: Path) -> Site:
        """Return the site, not started yet."""
        return Site(folder, self.setting(folder), engine)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """Return the load on *servers* (addresses)."""
        return Plan(servers, size.rooms, size.each, size.interval)

    @abstractmethod
    def inject(self, stage: Stage) -> None:
        """Cause the fault. Returns when it is complete.

        Call ``stage.mark_fault()`` whenever running consumers may be interrupted. It also starts
        the measurement of outages, as ``stage.count_from_now()`` does.
        """

    def check(self, stage: Stage) -> None:  # noqa: B027  (few need it)
        """Run further checks while the sockets are still open."""

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Find what the table counts: dataclasses with fields of ``Row``, lists of texts."""
        runs = read_runs(stage.site.folder)
        finished = {(run.key, run.number) for run in runs if run.after is not None}
        yield hearing.find(transcript, stage.since, finished=finished)
        yield endings.find(transcript, runs, stage.moments)

    def judge(self, stage: Stage, transcript: Transcript) -> None:  # noqa: B027  (few need it)
        """Run further checks after all sockets are closed."""
