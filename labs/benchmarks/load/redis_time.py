"""The time that Redis spends on commands."""

from __future__ import annotations

from typing import Any, Self

from redis import Redis

#: What processes of channels_workers ask for while rooms talk. The time of a script is that of all
#: commands inside of it, which have lines of their own in the statistics.
REQUESTS = ("evalsha", "xread", "xreadgroup")


class RedisTime:
    """Reads the statistics of the Redis on *port*; without one all is 0."""

    def __init__(self, port: int | None) -> None:
        self._client = Redis(host="127.0.0.1", port=port) if port else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._client is not None:
            self._client.close()

    def taken(self) -> float:
        """Return how long requests have taken since Redis was started (us)."""
        if self._client is None:
            return 0.0
        statistics: dict[str, Any] = self._client.info("commandstats")
        return float(sum(statistics.get(f"cmdstat_{name}", {}).get("usec", 0) for name in REQUESTS))
