"""Redis loses its data: all of it, or what is younger than a snapshot."""

from __future__ import annotations

import time

from faults.fault import Fault
from faults.stage import Stage
from tests.processes.waiting import wait_for

#: How long until all is in Redis again (s).
RESTORED = 10.0

#: How long it takes until the load notices (s).
NOTICED = 1.5


class RedisEmptied(Fault):
    """SIGKILL to Redis, which comes back with nothing."""

    name = "redis-emptied"
    description = "Redis is killed and comes back empty"

    def harm(self, stage: Stage) -> None:
        """Kill it, start it."""
        lose_data(stage)

    def check(self, stage: Stage) -> None:
        """Look for what must be there again."""
        check_restored(stage)


class RedisOld(Fault):
    """SIGKILL to Redis, which comes back with a snapshot."""

    name = "redis-old"
    description = "Redis is killed and comes back with a snapshot that is 5 s old"

    def harm(self, stage: Stage) -> None:
        """Save, wait, kill it, start it."""
        with stage.site.redis.client() as client:
            client.save()
        for _ in range(5):
            stage.excuse()
            stage.last(1)
        lose_data(stage)

    def check(self, stage: Stage) -> None:
        """Look for what must be there again."""
        check_restored(stage)


def lose_data(stage: Stage) -> None:
    """End Redis by force and start it again; return when messages flow, or after a while."""
    stage.strike()
    stage.site.redis.process.kill()
    stage.site.redis.start()
    stage.strike()
    end = time.monotonic() + RESTORED
    stage.last(NOTICED)
    while time.monotonic() < end and not stage.traffic.status().is_calm:
        stage.excuse()  # until all is restored, what runs cannot be committed
        stage.last(1)


def check_restored(stage: Stage) -> None:
    """Look for the records, sessions, groups and registrations of all that lives."""
    site, joined = stage.site, stage.traffic.status().joined
    wait_for(
        lambda: stage.records() == joined,
        lambda: f"{joined} records; there are {stage.records()}",
        RESTORED,
    )
    site.wait_for_keys("session:*", joined, RESTORED)
    site.wait_for_keys("group:*", stage.size.rooms, RESTORED)
    alive = len(site.servers) + len(site.workers)
    with site.redis.client() as client:
        known = [client.hlen(key) for key in client.keys("faults:*:processes")]
    stage.expect(known == [alive], f"processes known are {known}, alive are {alive}")
