"""Faults of sites with several shards."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from labs.faults import endings
from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.presence import check_presence
from labs.faults.shard_site import ShardSite
from labs.faults.stage import Stage
from labs.harness.crowd import hearing
from labs.harness.crowd.hearing import Missed
from labs.harness.crowd.transcript import Transcript

#: How long a message between sockets of a healthy shard may take while another one is away (s).
GOES_ON = 2.0

_gap = re.compile(r"Messages from shard (\S+) are lost \((.+?)\)").search


class ShardFault(Fault):
    """What happens to one of several shards. The servers have their sockets on different ones.

    A message that somebody misses counts as lost, unless the server there was told of a gap in the
    log of the shard that it came from.
    """

    #: How many shards there are.
    count: ClassVar[int] = 2

    #: Whether the fault may leave a gap: then its row says how much was missed behind it.
    leaves_gaps: ClassVar[bool] = False

    def site(self, folder: Path, engine: Path) -> ShardSite:
        """Run the rooms on several shards."""
        return ShardSite(folder, self.setting(folder), engine, self.count)

    def check(self, stage: Stage) -> None:
        """Check that everything is where it belongs."""
        check_presence(stage)

    def find(self, stage: Stage, transcript: Transcript) -> Iterator[Any]:
        """Find what the table counts. What was missed behind a gap is not lost."""
        runs, site = read_runs(stage.site.folder), site_of(stage)
        finished = {(run.key, run.number) for run in runs if run.after is not None}
        told = Told(site)
        yield hearing.find(transcript, stage.since, finished=finished, is_told=told.is_told)
        yield endings.find(transcript, runs, stage.moments)
        accepted = hearing.find_accepted(transcript, finished)
        behind = [each for each in hearing.missed(transcript, accepted) if told.is_told(each)]
        if behind or self.leaves_gaps:
            stage.note(
                f"{told.describe()}; {len(behind)} times a member missed a message behind it"
            )
        for number, begin, end in site.healthy:
            longest = _longest(transcript, number, begin, end)
            stage.note(f"{longest:.2f} s between sockets of the other shard meanwhile, at most")
            stage.expect(0 < longest < GOES_ON, f"the other shard took {longest:.2f} s")
        stage.expect(self.leaves_gaps or not told.gaps, f"servers were told: {told.describe()}")


def note_healthy(stage: Stage, shard: str, began: float) -> None:
    """Note that the sockets on *shard* should have heard each other since *began* (monotonic s)."""
    site = site_of(stage)
    number = site.servers.index(site.server_at(shard))
    site.healthy.append((number, began, time.monotonic() - GOES_ON))


def _longest(transcript: Transcript, number: int, begin: float, end: float) -> float:
    """Return the longest delay (s) between sockets of one server, of messages from that time."""
    times = {
        person.name: [said.at for said in person.said]
        for person in transcript.people
        if all(visit.server == number for visit in person.visits)
    }
    return max(
        (
            heard.at - times[heard.sender][heard.number]
            for person in transcript.people
            if person.name in times
            for visit in person.visits
            for heard in visit.heard
            if heard.sender in times and begin <= times[heard.sender][heard.number] < end
        ),
        default=0.0,
    )


class Told:
    """The gaps that interface servers were told of, by their logs.

    *gaps* has pairs: the index of a server, and the shard whose messages are lost.
    """

    def __init__(self, site: ShardSite) -> None:
        self._homes = {number: site.homes_of(server) for number, server in enumerate(site.servers)}
        self.gaps = {
            (number, found[1]): found[2]
            for number, server in enumerate(site.servers)
            for line in server.process.lines
            if (found := _gap(line))
        }

    def is_told(self, missed: Missed) -> bool:
        """Say whether the server of the listener knows of a gap that can have the message."""
        homes = {home for visit in missed.speaker.visits for home in self._homes[visit.server]}
        return any((missed.visit.server, home) in self.gaps for home in homes)

    def describe(self) -> str:
        """Name the gaps."""
        found = [
            f"{shard} at server {number}: {what}" for (number, shard), what in self.gaps.items()
        ]
        return f"{len(found)} gaps ({'; '.join(found)})" if found else "no gap"


def site_of(stage: Stage) -> ShardSite:
    """Return the site, which has shards."""
    assert isinstance(stage.site, ShardSite)
    return stage.site
