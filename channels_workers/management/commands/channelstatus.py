"""``manage.py channelstatus``: the state of a channel layer."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.status import Status
from channels_workers.layers.types import (
    ProcessInfo,
)
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer


class Command(BaseCommand):
    """Shows interface servers, workers, channels and dead letters."""

    help = "Shows the interface servers, workers, channels and dead letters of a channel layer."

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
        parser.add_argument("--layer", default=DEFAULT_CHANNEL_LAYER, help="alias of the layer")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the status once, or until Ctrl-C."""
        try:
            layer = get_channel_layer(options["layer"])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        while True:
            try:
                status = layer.admin.status()
            except LayerUnavailable as error:
                raise CommandError(str(error)) from error
            lines = [json.dumps(_as_json(status))] if options["json"] else _lines(status)
            self.stdout.write("\n".join(lines))
            if not options["watch"]:
                return
            self.stdout.flush()
            time.sleep(options["watch"])


def _as_json(status: Status) -> dict[str, Any]:
    values = asdict(status)
    for process in (*values["servers"], *values["workers"]):
        process["about"] = ProcessInfo(*process["about"])._asdict()
    return values


def _lines(status: Status) -> Iterator[str]:
    if status.recovering:
        yield "Redis has lost its data; all register again."
    yield f"{len(status.servers)} interface servers"
    for server in status.servers:
        counts = f"{server.connections} connections, {server.groups} groups, inbox {server.inbox}"
        yield f"  {server.id}  {_place(server.about)}  {counts}"
    yield f"{len(status.workers)} workers"
    for worker in status.workers:
        threads = f"{worker.busy} of {worker.about.threads} threads busy"
        yield f"  {worker.id}  {_place(worker.about)}  {threads}"
    yield f"{len(status.channels)} channels"
    for channel in status.channels:
        age = "" if channel.oldest is None else f", the oldest for {channel.oldest:.1f} s"
        yield f"  {channel.name}  {channel.waiting} waiting, {channel.in_flight} in flight{age}"
    yield f"{status.dead_letters} dead letters"
    if status.set_aside:
        yield f"{status.set_aside} set aside as unreadable: see `manage.py deadletters aside`"
    if status.unreadable:
        yield f"{status.unreadable} keys or fields cannot be read, and are not counted here"


def _place(about: ProcessInfo) -> str:
    try:
        since = f"{datetime.fromtimestamp(about.since, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # not a valid time
        since = f"{about.since:g}"
    return f"{about.host}:{about.pid} since {since}"
