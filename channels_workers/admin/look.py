"""One look at a layer: what the status page shows, as JSON values of a bounded size."""

from __future__ import annotations

import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import ImproperlyConfigured

from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.aside import printable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.shards.report import ShardReport, reports
from channels_workers.layers.shards.types import ShardState
from channels_workers.layers.status import ChannelStatus, ServerStatus, Status, WorkerStatus
from channels_workers.layers.types import ProcessInfo, Running
from channels_workers.management.report import releases_of
from channels_workers.registry import get_channel_layer
from channels_workers.relay.status import StoredSends, stored_sends

#: How many rows of each kind are shown, those that matter most.
ROWS = 100

Row = TypeVar("Row")


class RunningIn(NamedTuple):
    """A message that a thread of a worker runs."""

    worker: str
    run: Running


def look(alias: str) -> dict[str, Any]:
    """Return the state of the layer *alias*; ``{"unavailable": True}`` if it does not answer."""
    try:
        return _look(alias, get_channel_layer(alias))
    except (LayerUnavailable, ImproperlyConfigured):
        return {"layer": alias, "at": time.time(), "unavailable": True}


def _look(alias: str, layer: WorkerLayer) -> dict[str, Any]:
    status, lagging = layer.admin.status(), set(layer.admin.lagging())
    shown, now = most_important(status), time.time()
    running = [
        RunningIn(worker.id, run) for worker in status.workers for run in worker.about.running
    ]
    slow = [each for each in running if is_slow(each.run, now)]
    stored = [_stored(each) for each in stored_sends(alias)]
    shards = reports(layer)
    versions = _versions(status)
    return {
        "layer": alias,
        "at": now,
        "local": layer.local_only,
        "format": status.format,
        "next_due": None if status.next_due is None else _number(status.next_due),
        "totals": _totals(status, stored),
        "problems": [*_problems(status, len(lagging), len(slow)), *_problems_of(shards)],
        "shards": [_shard(each) for each in shards],
        "servers": [_server(each, each.id in lagging) for each in shown.servers],
        "workers": [_worker(each) for each in shown.workers],
        "running": [_running(each, now) for each in _oldest(running)],
        "channels": [_channel(each) for each in shown.channels],
        "stored": stored[:ROWS],
        "versions": versions[:ROWS],
        "hidden": {
            "servers": len(status.servers) - len(shown.servers),
            "workers": len(status.workers) - len(shown.workers),
            "running": max(0, len(running) - ROWS),
            "channels": len(status.channels) - len(shown.channels),
            "versions": max(0, len(versions) - ROWS),
        },
    }


def most_important(status: Status) -> Status:
    """Return *status* with up to ROWS servers, workers and channels, in their order.

    They are the servers with the longest inboxes, the workers with the most busy threads, and the
    channels with the most messages, first those that nobody listens to.
    """
    return replace(
        status,
        servers=_most(status.servers, lambda each: each.inbox),
        workers=_most(status.workers, lambda each: each.busy),
        channels=_most(status.channels, _weight),
    )


def _most(found: Sequence[Row], weight: Callable[[Row], Any]) -> list[Row]:
    if len(found) <= ROWS:
        return list(found)
    chosen = heapq.nlargest(ROWS, range(len(found)), key=lambda at: weight(found[at]))
    return [found[at] for at in sorted(chosen)]


def _weight(channel: ChannelStatus) -> tuple[bool, int]:
    return is_unheard(channel), channel.waiting + channel.in_flight


def _oldest(running: Sequence[RunningIn]) -> list[RunningIn]:
    return heapq.nsmallest(ROWS, running, key=lambda each: _number(each.run.since))


def is_slow(run: Running, now: float) -> bool:
    """Say whether a consumer runs for longer than ``SLOW_CONSUMER``, at *now* (Unix time, s)."""
    limit = configuration().SLOW_CONSUMER
    return bool(limit) and now - run.since > limit


def _totals(status: Status, stored: Sequence[dict[str, Any]]) -> dict[str, int | None]:
    counts = [each["count"] for each in stored]
    return {
        "connections": sum(each.connections for each in status.servers),
        "busy": sum(each.busy for each in status.workers),
        "threads": sum(int(_number(each.about.threads)) for each in status.workers),
        "waiting": sum(each.waiting for each in status.channels),
        "in_flight": sum(each.in_flight for each in status.channels),
        "dead_letters": status.dead_letters,
        "delayed": status.delayed,
        "stored": sum(count for count in counts if count is not None) if counts else None,
    }


def _problems(status: Status, lagging: int, slow: int) -> Any:
    """Yield what an operator should look at: each with its kind, how many, and what."""
    unheard = [each.name for each in status.channels if is_unheard(each)]
    releases = releases_of(status)
    found = (
        ("recovering", int(status.recovering), ""),
        ("no_workers", int(not status.workers), ""),
        ("lagging", lagging, ""),
        ("slow", slow, ""),
        ("unheard", len(unheard), printable(min(unheard, default=""))),
        ("releases", len(releases) if len(releases) > 1 else 0, ", ".join(releases[:5])),
        ("set_aside", status.set_aside, ""),
        ("unreadable", status.unreadable, ""),
    )
    return ({"kind": kind, "count": count, "what": what} for kind, count, what in found if count)


def _problems_of(shards: Sequence[ShardReport]) -> Any:
    """Yield what is wrong with shards, as :func:`_problems` does."""
    away = [each.name for each in shards if each.state is ShardState.AWAY]
    unknown = [each.name for each in shards if each.strangers]
    found = (("shards_away", away), ("shards_unknown", unknown))
    return (
        {"kind": kind, "count": len(names), "what": ", ".join(names)}
        for kind, names in found
        if names
    )


def _shard(report: ShardReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "address": printable(report.address),
        "state": report.state.value,
        "away": report.state is ShardState.AWAY,
        "connections": report.connections,
        "waiting": report.waiting,
        "log_entries": report.log_entries,
        "behind": sum(report.behind.values()),
    }


def _process(name: str, about: ProcessInfo) -> dict[str, Any]:
    return {
        "id": printable(name),
        "place": f"{printable(about.host)}:{_number(about.pid):.0f}",
        "since": _number(about.since),
        "release": printable(about.release),
    }


def _server(server: ServerStatus, is_lagging: bool) -> dict[str, Any]:
    counts = {"connections": server.connections, "groups": server.groups, "inbox": server.inbox}
    return {**_process(server.id, server.about), **counts, "lagging": is_lagging}


def _worker(worker: WorkerStatus) -> dict[str, Any]:
    about = worker.about
    counts = {"busy": worker.busy, "threads": _number(about.threads)}
    return {**_process(worker.id, about), **counts, "channels": len(about.channels)}


def _channel(channel: ChannelStatus) -> dict[str, Any]:
    return {**asdict(channel), "name": printable(channel.name), "unheard": is_unheard(channel)}


def is_unheard(channel: ChannelStatus) -> bool:
    """Say whether messages wait in *channel*, and no live worker listens."""
    return channel.waiting > 0 and not channel.workers


def _running(found: RunningIn, now: float) -> dict[str, Any]:
    run = found.run
    return {
        "worker": printable(found.worker),
        "thread": _number(run.thread),
        "consumer": printable(run.consumer),
        "since": _number(run.since),
        "channel": printable(run.channel),
        "message": printable(run.message_id),
        "slow": is_slow(run, now),
    }


def _versions(status: Status) -> list[dict[str, Any]]:
    """Return each set of versions, the most frequent first, with the number of its processes."""
    processes: list[ServerStatus | WorkerStatus] = [*status.servers, *status.workers]
    found = Counter((each.about.release, each.about.versions) for each in processes)
    return [
        {
            "release": printable(release),
            "versions": printable(", ".join(versions)),
            "processes": count,
        }
        for (release, versions), count in found.most_common()
    ]


def _stored(found: StoredSends) -> dict[str, Any]:
    return {
        "database": found.database,
        "count": found.waiting,
        "is_more": found.is_more,
        "oldest": found.oldest,
    }


def _number(value: float) -> float:
    """Return *value*; 0 if it is none that JSON and JavaScript know, as another program may write.

    Whole numbers above 2**53 are not exact there.
    """
    return value if math.isfinite(value) and abs(value) < 2**53 else 0
