"""Reads the status from Redis; not in one step, so the numbers may differ by moments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import redis

from channels_workers.layers.aside import printable
from channels_workers.layers.redis.wire import GROUP
from channels_workers.layers.status import (
    ChannelStatus,
    ServerStatus,
    Status,
    WorkerStatus,
    count_listeners,
)
from channels_workers.layers.types import (
    ProcessInfo,
    Running,
)

#: The types of the fields that a process publishes about itself.
ABOUT: dict[str, Any] = {
    "kind": str,
    "host": str,
    "pid": int,
    "since": (int, float),
    "threads": int,
}

#: The fields that are lists of texts.
LISTS = ("channels", "previous_ids", "versions", "features", "shards")

#: Matches the reply channels of requests.
REQUESTS = b"*![so][an][fc]e.*"


def read_status(client: redis.Redis, prefix: str) -> Status:
    """Return the status of the layer with *prefix*; unreadable data is skipped, and counted."""
    asked = Asked(client)
    known: dict[bytes, bytes] = asked("HGETALL", f"{prefix}process_info") or {}
    alive: dict[bytes, bytes] = asked("HGETALL", f"{prefix}processes") or {}
    about = {process: read_about(known[process]) for process in known.keys() & alive.keys()}
    start, keys = streams_of(client, prefix)
    busy = _busy(asked, keys)
    workers = _of_kind(about, "worker")
    listeners, now = count_listeners(each for _, each in workers), client.time()
    channels = [channel_status(asked, now, key, key[len(start) :]) for key in keys]
    return Status(
        servers=[_server(asked, prefix, *item) for item in _of_kind(about, "server")],
        workers=[WorkerStatus(printable(name), each, busy.get(name, 0)) for name, each in workers],
        channels=[replace(each, workers=listeners[each.name]) for each in channels],
        dead_letters=asked("XLEN", f"{prefix}dead_letters") or 0,
        recovering=bool(client.exists(f"{prefix}recovering")),
        set_aside=asked("XLEN", f"{prefix}aside") or 0,
        histories=asked("ZCARD", f"{prefix}history_order") or 0,
        history_bytes=_history_bytes(asked, prefix),
        parked=asked("ZCARD", f"{prefix}parked") or 0,
        unreadable=asked.refused + sum(each is None for each in about.values()),
    )


def streams_of(client: redis.Redis, prefix: str) -> tuple[bytes, list[bytes]]:
    """Return the beginning of all keys of streams, and these keys."""
    start = f"{prefix}channel:".encode()
    return start, sorted(client.scan_iter(match=_pattern(start), count=1000))


class Asked:
    """Runs commands on keys that may have a foreign type: the result is then None, and counted.

    The result is also None, but not counted as *refused*, for a group that does not exist.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.refused = 0

    def __call__(self, *command: Any) -> Any:
        """Return the reply to *command*, None if Redis refuses it."""
        try:
            return self.client.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.exceptions.ResponseError as error:
            if "WRONGTYPE" in str(error):
                self.refused += 1
            elif not str(error).startswith("NOGROUP"):
                raise
            return None


def read_about(text: bytes) -> ProcessInfo | None:
    """Return what a process says about itself, None if it is unreadable."""
    try:
        values = json.loads(text)
        fits = all(isinstance(values[name], kind) for name, kind in ABOUT.items())
        channels, previous, versions, features, shards = (
            tuple(map(str, values.get(name) or ())) for name in LISTS
        )
        found = ProcessInfo(*(values[name] for name in ABOUT))._replace(
            channels=channels,
            previous_ids=previous,
            release=printable(str(values.get("release", ""))),
            versions=tuple(map(printable, versions)),
            running=tuple(map(_read_running, values.get("running") or ())),
            features=tuple(map(printable, features)),
            shards=tuple(map(printable, shards)),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return found._replace(host=printable(found.host)) if fits else None


def _read_running(values: Any) -> Running:
    thread, consumer, since, channel, message, connection = values
    names = printable(str(consumer)), float(since), printable(str(channel)), printable(str(message))
    return Running(int(thread), *names, printable(str(connection)) if connection else None)


def _of_kind(
    about: Mapping[bytes, ProcessInfo | None], kind: str
) -> list[tuple[bytes, ProcessInfo]]:
    return sorted((name, each) for name, each in about.items() if each and each.kind == kind)


def _history_bytes(asked: Asked, prefix: str) -> int:
    found = asked("HGET", f"{prefix}histories", ":bytes") or b""
    return int(found) if found.isdigit() else 0


def _pattern(start: bytes) -> bytes:
    return re.sub(rb"([*?\[\]\\])", rb"\\\1", start) + b"*"


def _server(asked: Asked, prefix: str, name: bytes, about: ProcessInfo) -> ServerStatus:
    counts = (
        asked(command, f"{prefix}{key}:".encode() + name) or 0
        for command, key in (("SCARD", "groups"), ("XLEN", "inbox"))
    )
    return ServerStatus(printable(name), about, _sockets(asked, prefix, name), *counts)


def _sockets(asked: Asked, prefix: str, server: bytes) -> int:
    """Return how many connections of *server* are no requests."""
    key = f"{prefix}connections:".encode() + server
    count, cursor = asked("HLEN", key) or 0, -1
    while count > 0 and cursor != 0:
        cursor, found = asked("HSCAN", key, max(cursor, 0), "MATCH", REQUESTS, "COUNT", 1000)
        count -= len(found)
    return max(0, count)


def _busy(asked: Asked, keys: Iterable[bytes]) -> dict[bytes, int]:
    """Return how many consumers of each process hold deliveries."""
    holders: set[bytes] = set()
    for key in keys:
        found = Asked(asked.client)("XPENDING", key, GROUP)
        holders |= {consumer["name"] for consumer in (found["consumers"] if found else ())}
    busy: dict[bytes, int] = {}
    for holder in holders:
        process = holder.rpartition(b".")[0]
        busy[process] = busy.get(process, 0) + 1
    return busy


def channel_status(asked: Asked, now: Any, key: bytes, name: bytes) -> ChannelStatus:
    """Return the status of the channel *name* with the stream *key*; *now* is the reply to TIME."""
    length = asked("XLEN", key)
    if length is None:
        return ChannelStatus(printable(name), 0, 0, None)
    pending = asked("XPENDING", key, GROUP)
    in_flight = int(pending["pending"]) if pending else 0
    first = asked("XRANGE", key, "-", "+", "COUNT", 1)
    oldest = None
    if first:
        seconds, microseconds = now
        milliseconds = int(first[0][0].partition(b"-")[0])
        oldest = max(0.0, round(seconds + microseconds / 1e6 - milliseconds / 1000, 3))
    return ChannelStatus(printable(name), max(0, length - in_flight), in_flight, oldest)
