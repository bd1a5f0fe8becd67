"""Delayed messages, while workers are killed and Redis restarts with its data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from channels_workers.layers.codec import Codec
from labs.faults.cases.chat import chance, kill_worker
from labs.faults.cases.moments import people
from labs.faults.cases.redis_lost import lose_data
from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.site import Setting, Site
from labs.faults.stage import Stage

#: By how much the clocks of two processes may seem to differ (s).
EARLY = 0.05

#: The largest message that is read (bytes).
MESSAGE_SIZE = 100_000

#: How long the last of them may take after its time (s).
LATE = 20.0


class DelayedKilled(Fault):
    """SIGKILL to workers and to Redis, while delayed messages wait and are due."""

    name = "delayed-killed"
    description = (
        "kill -9 of a worker, 6 times (quick: 3), and of Redis, which comes back with its data, "
        "while 100 delayed messages (quick: 20) wait and are due"
    )
    limits = Limits(seconds=15)

    def setting(self, folder: Path) -> Setting:
        """Let Redis write each command to its disk."""
        return Setting(
            servers=self.servers, redis=("--appendonly", "yes", "--appendfsync", "always")
        )

    def inject(self, stage: Stage) -> None:
        """Order delayed messages, then kill while they are due."""
        kills = int(stage.size.choose(6, 3))
        ids = range(self.count(stage))
        for number, speaker in zip(ids, islice(people(stage), len(ids)), strict=True):
            seconds = chance.uniform(1, 3 * kills)
            stage.traffic.order(speaker, do="later", id=number, seconds=seconds)
        for number in range(kills):
            if number == kills // 2:
                lose_data(stage)  # it does not: they are on its disk
            kill_worker(stage)
            stage.hold(chance.uniform(1, 3))

    def count(self, stage: Stage) -> int:
        """Return how many messages are delayed; each person sends one at most."""
        plan = stage.traffic.plan
        return min(int(stage.size.choose(100, 20)), plan.rooms * plan.each)

    def check(self, stage: Stage) -> None:
        """Check that each arrived once, and not early."""
        wanted = set(range(self.count(stage)))
        stage.expect_soon(
            lambda: {each["id"] for each in arrived(stage.site)} >= wanted,
            lambda: f"{len(wanted)} delayed messages; {len(arrived(stage.site))} arrived",
            LATE,
        )
        found = arrived(stage.site)
        twice = [name for name, count in Counter(each["id"] for each in found).items() if count > 1]
        early = [each for each in found if each["early"] > EARLY]
        stage.expect(not twice, f"{len(twice)} delayed messages arrived twice: {twice[:5]}")
        stage.expect(not early, f"{len(early)} delayed messages arrived early: {early[:3]}")
        stage.note(f"{len(wanted)} delayed messages sent, {len(found)} arrived")


def arrived(site: Site) -> list[dict[str, Any]]:
    """Return what the consumer of delayed messages has recorded."""
    return list(_arrived(site))


def _arrived(site: Site) -> Iterator[dict[str, Any]]:
    codec = Codec(MESSAGE_SIZE)
    with site.redis.client() as client:
        for key in client.keys("faults:*:channel:arrived"):
            for _, fields in client.xrange(key):
                yield codec.decode(fields[b"payload"])
