"""The time that Redis spends on commands."""

from __future__ import annotations

from typing import Any, Self

from redis import Redis

#: Commands that processes of channels_workers send while rooms talk. A script's time includes its
#: inner commands, which the statistics also list separately.
REQUESTS = ("evalsha", "xread", "xreadgroup")


class RedisTime:
    """Reads the statistics of the Redis on *port*. Without one all values are 0."""

    def __init__(self, port: int | None) -> None:
        self._client = Redis(host="127.0.0.1", port=port) if port else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._client is not None:
            self._client.close()

    def taken(self) -> float:
        """Return the time of all requests since Redis was started (us)."""
        if self._client is None:
            return 0.0
        statistics: dict[str, Any] = self._client.info("commandstats")
        return float(sum(statistics.get(f"cmdstat_{name}", {}).get("usec", 0) for name in REQUESTS))
