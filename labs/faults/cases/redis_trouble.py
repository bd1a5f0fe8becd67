"""Redis runs but is unusable: it cuts connections, or it is full."""

from __future__ import annotations

from labs.faults.fault import Fault
from labs.faults.stage import Stage


class RedisCut(Fault):
    """CLIENT KILL of all connections, lifelines too, repeatedly."""

    name = "redis-cut"
    description = "all connections to Redis are cut every second for 20 s (quick: 6 s)"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Cut them."""
        with stage.site.redis.client() as client:
            for _ in range(int(stage.size.choose(20, 6))):
                stage.mark_fault()
                for kind in ("pubsub", "normal"):
                    client.client_kill_filter(_type=kind, skipme=True)
                stage.hold(1)
        stage.count_from_now()


class RedisFull(Fault):
    """Redis refuses writes: maxmemory is reached and eviction is off."""

    name = "redis-full"
    description = "Redis is full for 10 s (maxmemory, noeviction)"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Fill it by lowering its limit."""
        with stage.site.redis.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
            stage.mark_fault()
            stage.hold(10)
            client.config_set("maxmemory", 0)
        stage.count_from_now()
