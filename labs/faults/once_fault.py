"""Faults of the rooms with ``@once``: rows of PostgreSQL and frames happen once, together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labs.faults import endings, once_lines
from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.once_site import OnceSite
from labs.faults.presence import check_rest
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd import hearing
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript


class OnceFault(Fault):
    """Each message is stored once, told to its sender once and shown to its room once."""

    def site(self, folder: Path, engine: Path) -> OnceSite:
        """Run the rooms with ``@once``."""
        return OnceSite(folder, self.setting(folder), engine)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """80 messages a second (quick: 40)."""
        return Plan(servers, int(size.choose(8, 4)), size.each, 0.5)

    def check(self, stage: Stage) -> None:
        """Check what is left in Redis."""
        check_rest(stage)

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Compare messages, lines in the database, answers, and rows of ``@once``."""
        site, runs = site_of(stage), read_runs(stage.site.folder)
        lines = site.lines()
        finished = {(line.key, line.number) for line in lines}
        yield hearing.find(transcript, stage.since, finished=finished)
        yield endings.find(transcript, runs, stage.moments)
        yield once_lines.find(transcript, lines)
        others = len({run.id for run in runs}) + self.others(stage)
        committed = site.committed()
        wanted = len(lines) + others
        stage.expect(committed == wanted, f"@once has {committed} rows, not {wanted}")

    def others(self, stage: Stage) -> int:
        """Return how many further messages of consumers with ``@once`` there were."""
        return 0

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Count."""
        site = site_of(stage)
        visits = [visit for person in transcript.people for visit in person.visits]
        answers = sum(len(visit.answers) for visit in visits)
        stage.note(
            f"{stage.row.said - stage.row.unsent} accepted, {len(site.lines())} stored, "
            f"{answers} answered; {ran_before(site)} runs found that it had happened"
        )


def site_of(stage: Stage) -> OnceSite:
    """Return the site, which has a database."""
    assert isinstance(stage.site, OnceSite)
    return stage.site


def ran_before(site: OnceSite) -> int:
    """Return how many runs found the row of another one."""
    return site.logged("ran before, and its transaction is committed")
