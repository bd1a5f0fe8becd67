"""What a soak looks at: each process, Redis, and the messages of a window."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from redis import Redis

from labs.benchmarks.load.processes import Roles, cpu_seconds, memory, open_files, threads
from labs.benchmarks.load.report import quantiles


class Sampler:
    """Looks at the processes of *roles*, one each, and at the Redis on *port*."""

    def __init__(self, roles: Roles, port: int) -> None:
        self._roles = roles
        self._redis = Redis(host="127.0.0.1", port=port)
        self._since = self._latest = time.perf_counter()
        self._cpu = cpu_seconds(roles)

    @property
    def age(self) -> float:
        """How long ago the first look was (s)."""
        return time.perf_counter() - self._since

    def close(self) -> None:
        """Close the connection to Redis."""
        self._redis.close()

    def sample(self, times: Sequence[float]) -> dict[str, Any]:
        """Return all figures now. *times* are those of the messages since the last call (s)."""
        now, cpu = time.perf_counter(), cpu_seconds(self._roles)
        window, self._latest = now - self._latest, now
        used, self._cpu = {role: cpu[role] - self._cpu[role] for role in cpu}, cpu
        pids = {role: pid for role, (pid,) in self._roles.items()}
        statistics: dict[str, Any] = self._redis.info("memory")
        return {
            "at": round(now - self._since, 2),
            "messages_per_s": round(len(times) / window, 2),
            "latency": quantiles(times),
            "rss_kib": memory(self._roles),
            "files": {role: open_files(pid) for role, pid in pids.items()},
            "threads": {role: threads(pid) for role, pid in pids.items()},
            "cpu_us": {
                role: round(seconds / max(1, len(times)) * 1e6, 1) for role, seconds in used.items()
            },
            "redis_kib": round(statistics["used_memory"] / 1024, 1),
            "redis_keys": self._redis.dbsize(),
        }
