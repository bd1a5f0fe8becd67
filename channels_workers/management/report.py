"""The state of a layer and its dead letters as lines and as JSON, for commands and the admin."""

from __future__ import annotations

import pprint
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from channels_workers.exceptions import MessageError
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.shards.report import ShardReport
from channels_workers.layers.shards.states import view
from channels_workers.layers.shards.types import ShardState
from channels_workers.layers.status import ChannelStatus, ServerStatus, Status, WorkerStatus
from channels_workers.layers.types import DeadLetter, ProcessInfo, Running

#: How many bytes are shown of a message that cannot be decoded.
BYTES_SHOWN = 1000


def as_json(status: Status) -> dict[str, Any]:
    """Return *status* as JSON values, with the fields of the classes in ``layers/status.py``."""
    values = asdict(status)
    for process in (*values["servers"], *values["workers"]):
        about = ProcessInfo(*process["about"])
        running = [Running(*each)._asdict() for each in about.running]
        process["about"] = {**about._asdict(), "running": running}
    return values


def lines(status: Status) -> Iterator[str]:
    """Yield the lines that show *status*."""
    if status.recovering:
        yield "Redis has lost its data; all register again."
    yield from _processes(status)
    yield f"{len(status.channels)} channels"
    for channel in status.channels:
        yield _channel_line(channel)
    if status.next_due is not None:
        yield f"{status.delayed} delayed messages, the next due {time_text(status.next_due)}"
    if status.parked:
        yield f"{status.parked} connections wait for their clients to come back"
    if status.histories:
        yield f"{status.histories} histories of groups, {status.history_bytes:,} bytes"
    yield f"{status.dead_letters} dead letters"
    if status.set_aside:
        yield f"{status.set_aside} set aside as unreadable: see `manage.py deadletters aside`"
    if status.unreadable:
        yield f"{status.unreadable} keys or fields cannot be read, and are not counted here"


def left_out(layer: WorkerLayer) -> list[str]:
    """Return a line about shards that do not answer, if there are any: lists lack what is there."""
    away = () if layer.shards is None else view(layer.shards).away
    return [f"Left out, as these shards do not answer: {', '.join(away)}"] if away else []


def shard_line(report: ShardReport) -> str:
    """Return the line that shows a shard."""
    start = f"  {report.name}  {report.address}  {report.state}"
    if report.state is ShardState.AWAY:
        return f"{start}: {report.why}"
    counts = f"{report.servers} servers, {report.connections} connections"
    rest = [f"{report.waiting} messages"]
    rest += [f"{report.delayed} delayed"] if report.delayed else []
    rest += [f"{name} is {count} behind" for name, count in report.behind.items() if count]
    rest += [f"{report.dropped} entries dropped"] if report.dropped else []
    rest += [] if report.has_puller else ["no worker pulls for it"]
    rest += [f"unknown to {', '.join(report.strangers)}"] if report.strangers else []
    rest += ["nothing is left: it can be removed from `hosts`"] if report.is_empty else []
    return "  ".join((start, ", ".join((counts, f"log {report.log_entries}", *rest))))


def _processes(status: Status) -> Iterator[str]:
    yield f"{len(status.servers)} interface servers"
    for server in status.servers:
        counts = f"{server.connections} connections, {server.groups} groups, inbox {server.inbox}"
        yield f"  {server.id}  {_place(server.about)}  {counts}"
    yield f"{len(status.workers)} workers"
    for worker in status.workers:
        threads = f"{worker.busy} of {worker.about.threads} threads busy"
        yield f"  {worker.id}  {_place(worker.about)}  {threads}"
        yield from map(_running_line, worker.about.running)
    releases = releases_of(status)
    if len(releases) > 1:
        yield f"These processes have several releases: {', '.join(releases)}"


def releases_of(status: Status) -> list[str]:
    """Return the releases of all processes, without repetition."""
    processes: list[ServerStatus | WorkerStatus] = [*status.servers, *status.workers]
    return sorted({each.about.release or "unknown" for each in processes})


def _channel_line(channel: ChannelStatus) -> str:
    age = "" if channel.oldest is None else f", the oldest for {channel.oldest:.1f} s"
    unheard = "" if channel.workers else ", no live worker listens"
    counts = f"{channel.waiting} waiting, {channel.in_flight} in flight"
    return f"  {channel.name}  {counts}{age}{unheard}"


def _running_line(run: Running) -> str:
    seconds = max(0.0, time.time() - run.since)
    place = f"{run.channel} {run.message_id}"
    return f"    thread {run.thread}: {run.consumer} for {seconds:.0f} s on {place}"


def _place(about: ProcessInfo) -> str:
    return f"{about.host}:{about.pid} since {time_text(about.since)}"


def time_text(seconds: float) -> str:
    """Return a Unix time for people."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # not a valid time
        return f"{seconds:g}"


def content_text(content: Content) -> str:
    """Return the content of a message, readable."""
    try:
        return pprint.pformat(content)
    except RecursionError:  # a foreign message may be nested deeply
        return "It is nested too deeply to be shown."


def letter_text(layer: WorkerLayer, letter: DeadLetter) -> str:
    """Return the content of a dead letter; if it is unreadable why, and its first bytes."""
    try:
        return content_text(layer.content(letter.message))
    except MessageError as error:
        return f"{error} Its bytes: {letter.message.payload[:BYTES_SHOWN]!r}"
