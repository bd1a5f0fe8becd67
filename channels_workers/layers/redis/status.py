"""Reads what goes on from Redis; not in one step, so the numbers are of moments close together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import redis

from channels_workers.layers.operations import (
    About,
)
from channels_workers.layers.redis.commands import GROUP
from channels_workers.layers.status import ChannelStatus, ServerStatus, Status, WorkerStatus


def read_status(client: redis.Redis, prefix: str) -> Status:
    """Return what goes on below *prefix*."""
    known: Any = client.hgetall(f"{prefix}about")
    alive: Any = client.hgetall(f"{prefix}processes")
    about = {
        process.decode(): _read_about(text) for process, text in known.items() if process in alive
    }
    names = sorted(
        key.decode().removeprefix(f"{prefix}channel:")
        for key in client.scan_iter(match=_pattern(f"{prefix}channel:"), count=1000)
    )
    busy = _busy(client, prefix, names)
    return Status(
        servers=[_server(client, prefix, *item) for item in _of_kind(about, "server")],
        workers=[WorkerStatus(*item, busy.get(item[0], 0)) for item in _of_kind(about, "worker")],
        channels=[_channel(client, prefix, name) for name in names],
        dead_letters=int(client.xlen(f"{prefix}dead")),
        recovering=bool(client.exists(f"{prefix}recovering")),
    )


def _read_about(text: bytes) -> About:
    values: dict[str, Any] = json.loads(text)
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return About(**(values | lists))


def _of_kind(about: Mapping[str, About], kind: str) -> list[tuple[str, About]]:
    return sorted((name, found) for name, found in about.items() if found.kind == kind)


def _pattern(start: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in start) + "*"


def _server(client: redis.Redis, prefix: str, name: str, about: About) -> ServerStatus:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.hlen(f"{prefix}connections:{name}")
        pipeline.scard(f"{prefix}groups:{name}")
        pipeline.xlen(f"{prefix}inbox:{name}")
        return ServerStatus(name, about, *pipeline.execute())


def _busy(client: redis.Redis, prefix: str, names: list[str]) -> dict[str, int]:
    holders: set[str] = set()
    for name in names:
        try:
            found: Any = client.xpending(f"{prefix}channel:{name}", GROUP)
        except redis.exceptions.ResponseError:  # nobody has listened to it yet
            continue
        holders |= {consumer["name"].decode() for consumer in found["consumers"]}
    busy: dict[str, int] = {}
    for holder in holders:
        process = holder.rpartition(".")[0]
        busy[process] = busy.get(process, 0) + 1
    return busy


def _channel(client: redis.Redis, prefix: str, name: str) -> ChannelStatus:
    key = f"{prefix}channel:{name}"
    length = int(client.xlen(key))
    try:
        under_way = int(client.xpending(key, GROUP)["pending"])
    except redis.exceptions.ResponseError:
        under_way = 0
    first: Any = client.execute_command("XRANGE", key, "-", "+", "COUNT", 1)  # type: ignore[no-untyped-call]
    seconds, microseconds = client.time()
    oldest = None
    if first:
        milliseconds = int(first[0][0].decode().partition("-")[0])
        oldest = max(0.0, round(seconds + microseconds / 1e6 - milliseconds / 1000, 3))
    return ChannelStatus(name, max(0, length - under_way), under_way, oldest)
