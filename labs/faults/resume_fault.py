"""Faults of rooms whose sockets can be resumed: who comes back goes on with the connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.site import Setting, Site
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.kept_visitor import LATE
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript, Visit

#: For how long connections are kept (s): longer than an outage, short enough to wait for.
RESUME_TIME = 8

#: Time-out until the last that nobody resumes has ended (s).
ENDED = RESUME_TIME + 15.0

#: How long the load goes on after that (s).
SETTLED = 1.5


class ResumeSite(Site):
    """Runs ``application.with_resume``."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the processes."""
        settings = "labs.faults.application.with_resume.settings"
        return {**super().environment, "DJANGO_SETTINGS_MODULE": settings}


@dataclass
class Repeated:
    """Messages of clients that took effect twice."""

    twice: list[str]


class ResumeFault(Fault):
    """What clients send takes effect once, in order, whatever server they come back to."""

    # Some come back after the clean-up.
    limits = Limits(seconds=LATE + 6.0)

    #: Whether everybody comes back, or every other pair.
    all_return = False

    #: Until when no open socket may have its disconnect (monotonic s).
    _checked = 0.0

    def setting(self, folder: Path) -> Setting:
        """Keep connections for a while."""
        return Setting(servers=self.servers, limits={"RESUME_TIME": RESUME_TIME})

    def site(self, folder: Path, engine: Path) -> Site:
        """Run the rooms whose sockets can be resumed."""
        return ResumeSite(folder, self.setting(folder), engine)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """Who comes back resumes its connection."""
        load = servers, size.rooms, size.each, size.interval
        return Plan(*load, resumes=self.all_return, keeps=True)

    def check(self, stage: Stage) -> None:
        """Wait until the connections of those who stay away have ended."""
        living = sum(server.process.is_running for server in stage.site.servers)

        def left() -> int:
            return len(stage.site.keys("connections:*")) - living

        what = "no connections of servers that are gone"
        stage.expect_soon(lambda: left() <= 0, lambda: what, ENDED)
        stage.hold(SETTLED)  # what ends with them by mistake ends now
        self._checked = time.monotonic()

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Count the answers to messages that had taken effect before, too."""
        yield from super().find(stage, transcript)
        yield Repeated([person.name for person in transcript.people for _ in range(person.again)])

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check that those who came back went on with their connections."""
        returns = returns_of(transcript)
        resumed = [visit for visit in returns if visit.resumed]
        gaps = sum(visit.gap for visit in resumed)
        stage.note(f"{len(resumed)} of {len(returns)} resumed, {gaps} of them with a gap")
        open_ones = {
            visit.key
            for person in transcript.people
            for visit in person.visits
            if visit.joined is not None and visit.ended is None
        }
        early = [
            run.key
            for run in read_runs(stage.site.folder)
            if run.channel == "disconnect" and run.key in open_ones and run.before < self._checked
        ]
        stage.expect(not early, f"{len(early)} open sockets had their disconnect")
        stage.expect(bool(resumed), "nobody resumed a connection")
        stage.expect(len(resumed) == len(returns), f"{len(returns) - len(resumed)} began anew")


def returns_of(transcript: Transcript) -> list[Visit]:
    """Return the sockets of those who came back."""
    return [
        visit
        for person in transcript.people
        for visit in [each for each in person.visits if each.joined is not None][1:]
    ]
