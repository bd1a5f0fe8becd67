"""``manage.py channelstatus``: the state of a channel layer."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.aside import printable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.status import ChannelStatus, Status
from channels_workers.layers.types import (
    DelayedMessage,
    ProcessInfo,
    Running,
)
from channels_workers.management.layers import shared_layer
from channels_workers.registry import DEFAULT_CHANNEL_LAYER

#: How many delayed messages are listed.
LISTED = 1000


class Command(BaseCommand):
    """Shows interface servers, workers, channels, delayed messages and dead letters."""

    help = "Shows interface servers, workers, channels, delayed messages and dead letters."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of the command."""
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")
        parser.add_argument(
            "--watch",
            type=float,
            nargs="?",
            const=2.0,
            metavar="SECONDS",
            help="repeat, every 2 s by default",
        )
        parser.add_argument(
            "--delayed", action="store_true", help=f"list the next {LISTED:,} delayed messages"
        )
        parser.add_argument("--cancel", metavar="ID", help="cancel a delayed message")
        parser.add_argument("--layer", default=DEFAULT_CHANNEL_LAYER, help="alias of the layer")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the status once, or until Ctrl-C; or act on delayed messages."""
        try:
            layer = shared_layer(options["layer"], self)
            if options["cancel"]:
                self._cancel(layer, options["cancel"])
                return
            while True:
                self.stdout.write("\n".join(_told(layer, options["json"], options["delayed"])))
                if not options["watch"]:
                    return
                self.stdout.flush()
                time.sleep(options["watch"])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        except LayerUnavailable as error:
            raise CommandError(str(error)) from error

    def _cancel(self, layer: WorkerLayer, message: str) -> None:
        if not layer.admin.cancel(message):
            raise CommandError(f"There is no delayed message {message}.")
        self.stdout.write(f"{message} is cancelled")


def _told(layer: WorkerLayer, as_json: bool, delayed: bool) -> Iterable[str]:
    """Return the lines that answer: the status, or the delayed messages."""
    if delayed:
        found = layer.admin.delayed(LISTED)
        if as_json:
            keys = ("id", "channel", "due")
            return [json.dumps([dict(zip(keys, each[:3], strict=True)) for each in found])]
        return [*map(_delayed_line, found), f"{len(found)} delayed messages"]
    status = layer.admin.status()
    return [json.dumps(_as_json(status))] if as_json else _lines(status)


def _delayed_line(message: DelayedMessage) -> str:
    parts = (printable(message.id), printable(message.channel), f"due {_time(message.due)}")
    return "  ".join((*parts, f"{len(message.payload)} bytes"))


def _as_json(status: Status) -> dict[str, Any]:
    values = asdict(status)
    for process in (*values["servers"], *values["workers"]):
        about = ProcessInfo(*process["about"])
        running = [Running(*each)._asdict() for each in about.running]
        process["about"] = {**about._asdict(), "running": running}
    return values


def _lines(status: Status) -> Iterator[str]:
    if status.recovering:
        yield "Redis has lost its data; all register again."
    yield from _processes(status)
    yield f"{len(status.channels)} channels"
    for channel in status.channels:
        yield _channel_line(channel)
    if status.next_due is not None:
        yield f"{status.delayed} delayed messages, the next due {_time(status.next_due)}"
    if status.histories:
        yield f"{status.histories} histories of groups, {status.history_bytes:,} bytes"
    yield f"{status.dead_letters} dead letters"
    if status.set_aside:
        yield f"{status.set_aside} set aside as unreadable: see `manage.py deadletters aside`"
    if status.unreadable:
        yield f"{status.unreadable} keys or fields cannot be read, and are not counted here"


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
    releases = {each.about.release or "unknown" for each in status.servers}
    releases |= {each.about.release or "unknown" for each in status.workers}
    if len(releases) > 1:
        yield f"These processes have several releases: {', '.join(sorted(releases))}"


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
    return f"{about.host}:{about.pid} since {_time(about.since)}"


def _time(seconds: float) -> str:
    """Return a Unix time for people."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # not a valid time
        return f"{seconds:g}"
