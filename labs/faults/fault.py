"""The base class of faults: harm to a site under load, and its limits."""

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
    """What has a row: each has a module in ``harms/`` and stands in ``registry.py``."""

    name: ClassVar[str]
    description: ClassVar[str]
    limits: Limits = Limits()

    #: The kinds of the interface servers.
    servers: tuple[str, ...] = ("daphne", "daphne")

    #: How long all of it may take to become calm after the harm (s).
    patience: float = 30.0

    def setting(self, folder: Path) -> Setting:
        """Return the setup of the site; *folder* may hold its files."""
        return Setting(servers=self.servers)

    def site(self, folder: Path, engine: Path) -> Site:
        """Return the processes, not started yet."""
        return Site(folder, self.setting(folder), engine)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """Return how much load there is on *servers* (addresses)."""
        return Plan(servers, size.rooms, size.each, size.interval)

    @abstractmethod
    def harm(self, stage: Stage) -> None:
        """Do the harm; return when it is complete.

        Call ``stage.strike()`` at each moment of harm; it also sets the moment from which on
        pauses are counted, as does ``stage.count_from_now()``.
        """

    def check(self, stage: Stage) -> None:  # noqa: B027  (few need it)
        """Run further checks while the sockets are still open."""

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Find what the table counts: dataclasses with fields of ``Row``, lists of facts."""
        runs = read_runs(stage.site.folder)
        finished = {(run.key, run.number) for run in runs if run.after is not None}
        yield hearing.find(transcript, stage.since, finished=finished)
        yield endings.find(transcript, runs, stage.moments)

    def judge(self, stage: Stage, transcript: Transcript) -> None:  # noqa: B027  (few need it)
        """Run further checks after all sockets are closed."""
