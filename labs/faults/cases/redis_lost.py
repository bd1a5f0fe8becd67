"""Redis loses its data: all of it, or everything since a snapshot."""

from __future__ import annotations

import time

from channels_workers.worker.reaper import CUT_OFF
from labs.faults.deaths import declared_dead
from labs.faults.fault import Fault
from labs.faults.presence import check_presence
from labs.faults.stage import Stage
from labs.harness.redis_server import RedisServer

#: Time-out until everything is in Redis again (s).
RESTORED = 10.0

#: How long the load takes to notice (s).
NOTICED = 1.5


class LostData(Fault):
    """Redis comes back without data, or with those in which workers have their former names."""

    def check(self, stage: Stage) -> None:
        """Check that everything is restored, and that nobody seems to have died at once."""
        check_presence(stage)
        reasons = declared_dead(stage.site)
        stage.expect(CUT_OFF not in reasons.values(), f"a lifeline counted as cut: {reasons}")


class RedisEmptied(LostData):
    """SIGKILL to Redis, which restarts empty."""

    name = "redis-emptied"
    description = "Redis is killed and comes back empty"

    def inject(self, stage: Stage) -> None:
        """Kill it, start it."""
        lose_data(stage)


class RedisOld(LostData):
    """SIGKILL to Redis, which restarts with a snapshot."""

    name = "redis-old"
    description = "Redis is killed and comes back with a snapshot that is 5 s old"

    def inject(self, stage: Stage) -> None:
        """Save, wait, kill it, start it."""
        lose_data_since_snapshot(stage, stage.site.redis)


def lose_data_since_snapshot(stage: Stage, server: RedisServer) -> None:
    """Save the data of *server*, wait, kill it, start it."""
    with server.client() as client:
        client.save()
    for _ in range(5):
        stage.allow_uncommitted()
        stage.hold(1)
    lose_data(stage, server)


def lose_data(stage: Stage, server: RedisServer | None = None) -> None:
    """Kill Redis, or *server*, and restart it. Returns when messages flow, or after a time-out."""
    server = server or stage.site.redis
    stage.mark_fault()
    server.process.kill()
    server.start()
    stage.mark_fault()
    settle(stage)


def settle(stage: Stage) -> None:
    """Wait until messages flow, or for a time-out, once there is a Redis again."""
    end = time.monotonic() + RESTORED
    stage.hold(NOTICED)
    while time.monotonic() < end and not stage.traffic.status().is_calm:
        stage.allow_uncommitted()  # runs before the end of the recovery cannot be committed
        stage.hold(1)
