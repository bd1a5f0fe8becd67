"""Redis is up but unusable: it cuts connections, or it is full."""

from __future__ import annotations

from labs.faults.fault import Fault
from labs.faults.stage import Stage


class RedisCut(Fault):
    """CLIENT KILL of all connections, again and again."""

    name = "redis-cut"
    description = "all connections to Redis are cut every second for 20 s (quick: 6 s)"

    def harm(self, stage: Stage) -> None:
        """Cut them."""
        with stage.site.redis.client() as client:
            for _ in range(int(stage.size.choose(20, 6))):
                stage.strike()
                client.client_kill_filter(_type="normal", skipme=True)
                stage.last(1)
        stage.count_from_now()


class RedisFull(Fault):
    """Redis takes no more: maxmemory is reached, and nothing may be evicted."""

    name = "redis-full"
    description = "Redis is full for 10 s (maxmemory, noeviction)"

    def harm(self, stage: Stage) -> None:
        """Fill it, by lowering what it may hold."""
        with stage.site.redis.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
            stage.strike()
            stage.last(10)
            client.config_set("maxmemory", 0)
        stage.count_from_now()
