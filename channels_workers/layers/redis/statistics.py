"""Reads the statistics of channels from Redis; not in one step, like the status."""

from __future__ import annotations

import redis

from channels_workers.layers.redis.status import Asked, channel_status, streams_of
from channels_workers.layers.types import Statistics


def read_global(client: redis.Redis, prefix: str) -> Statistics:
    """Return the statistics of all channels together."""
    start, keys = streams_of(client, prefix)
    found = [_read(client, key, key[len(start) :]) for key in keys]
    total: Statistics = {
        "messages_pending": sum(each["messages_pending"] for each in found),
        "messages_max_age": max((each["messages_max_age"] for each in found), default=0),
    }
    if all("messages_count" in each for each in found):
        total["messages_count"] = sum(each["messages_count"] for each in found)
    return total


def read_channel(client: redis.Redis, prefix: str, channel: str) -> Statistics:
    """Return the statistics of one channel."""
    return _read(client, f"{prefix}channel:{channel}".encode(), channel.encode())


def _read(client: redis.Redis, key: bytes, name: bytes) -> Statistics:
    status = channel_status(Asked(client), client.time(), key, name)
    found: Statistics = {
        "messages_pending": status.waiting,
        "messages_max_age": status.oldest or 0,
    }
    count = _count(client, key)
    if count is not None:
        found["messages_count"] = count
    return found


def _count(client: redis.Redis, key: bytes) -> int | None:
    """Return how many entries came; None if Redis is older than 7, or does not permit to ask."""
    try:
        return client.xinfo_stream(key).get("entries-added")
    except redis.exceptions.NoPermissionError:
        return None
    except redis.exceptions.ResponseError:  # no stream is there
        return 0
