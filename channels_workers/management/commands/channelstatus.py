"""``manage.py channelstatus``: the state of a channel layer."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.aside import printable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.shards.report import reports
from channels_workers.layers.types import DelayedMessage
from channels_workers.management.layers import shared_layer
from channels_workers.management.report import as_json, left_out, lines, shard_line, time_text
from channels_workers.registry import DEFAULT_CHANNEL_LAYER
from channels_workers.relay.status import StoredSends, stored_sends

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
                self.stdout.write("\n".join(_told(layer, options)))
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


def _told(layer: WorkerLayer, options: dict[str, Any]) -> Iterable[str]:
    """Return the lines that answer: the status, or the delayed messages."""
    if options["delayed"]:
        found = layer.admin.delayed(LISTED)
        if options["json"]:
            keys = ("id", "channel", "due")
            return [json.dumps([dict(zip(keys, each[:3], strict=True)) for each in found])]
        return [*map(_delayed_line, found), f"{len(found)} delayed messages", *left_out(layer)]
    status = layer.admin.status()
    stored, shards = stored_sends(options["layer"]), reports(layer)
    if options["json"]:
        told = {**as_json(status), "stored_sends": [asdict(each) for each in stored]}
        return [json.dumps({**told, "shards": [each.as_json() for each in shards]})]
    count = [f"{len(shards)} shards"] if shards else []
    return [*lines(status), *count, *map(shard_line, shards), *map(_stored_line, stored)]


def _delayed_line(message: DelayedMessage) -> str:
    parts = (printable(message.id), printable(message.channel), f"due {time_text(message.due)}")
    return "  ".join((*parts, f"{len(message.payload)} bytes"))


def _stored_line(stored: StoredSends) -> str:
    if stored.waiting is None:
        return f"The stored sends in {stored.database!r} cannot be counted: {stored.error}"
    age = "" if stored.oldest is None else f", the oldest for {stored.oldest:.1f} s"
    more = "more than " if stored.is_more else ""
    return f"{more}{stored.waiting} stored sends wait in {stored.database!r}{age}"
