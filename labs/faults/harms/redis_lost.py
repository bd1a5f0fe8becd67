"""Redis loses its data: all of it, or what is younger than a snapshot."""

from __future__ import annotations

import time

from labs.faults.fault import Fault
from labs.faults.presence import check_presence
from labs.faults.stage import Stage

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
        check_presence(stage)


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
        check_presence(stage)


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
