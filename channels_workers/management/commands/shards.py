"""``manage.py shards``: the shards of a channel layer, and which of them have new sockets."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.report import ShardReport, reports
from channels_workers.layers.shards.states import set_state, view
from channels_workers.layers.shards.types import ShardState
from channels_workers.management.layers import shared_layer
from channels_workers.management.report import shard_line
from channels_workers.registry import DEFAULT_CHANNEL_LAYER

ALONE = (
    "The layer {layer} has one Redis. To add one, name both in CONFIG['hosts'], the present one "
    "first: {{'a': 'redis://...', 'b': 'redis://...'}}."
)


class Command(BaseCommand):
    """Lists the shards of a layer, checks new ones, drains one, or opens it again."""

    help = "Lists the shards of a layer, checks new ones, drains one, or opens it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of the command."""
        parser.add_argument(
            "action",
            nargs="?",
            choices=["list", "add", "drain", "open"],
            default="list",
            help="add: open all new shards, if every process knows them",
        )
        parser.add_argument("shard", nargs="?", help="the name of a shard, for drain and open")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")
        parser.add_argument("--layer", default=DEFAULT_CHANNEL_LAYER, help="alias of the layer")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        try:
            layer = shared_layer(options["layer"], self)
            if layer.shards is None:
                raise CommandError(ALONE.format(layer=options["layer"]))
            if options["action"] == "list":
                found = reports(layer)
                self.stdout.write("\n".join(_told(found, as_json=options["json"])))
            elif options["action"] == "add":
                self._add(layer.shards)
            else:
                self._set(layer.shards, options["action"], options["shard"])
        except (LayerUnavailable, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None

    def _add(self, shards: LayerShards) -> None:
        found = view(shards)
        for name, why in found.away.items():
            raise CommandError(f"Shard {name} does not answer, so nobody knows who is there: {why}")
        for name in found.names:
            if strangers := found.strangers(name):
                named = [f"{who} ({it.host}:{it.pid})" for who, it in strangers.items()]
                raise CommandError(
                    f"These processes do not know shard {name}: {', '.join(named)}. Give them the "
                    "new `hosts`, the present Redis first, restart them, and run this command "
                    "again."
                )
        for name in found.names:
            if found.state(name) is ShardState.NEW:
                set_state(shards, name, ShardState.OPEN)
                self.stdout.write(f"Shard {name} is open to new sockets now")
            else:
                self.stdout.write(f"Shard {name} is {found.state(name)}")

    def _set(self, shards: LayerShards, action: str, shard: str | None) -> None:
        if shard is None or shard not in shards.names():
            raise CommandError(f"Name one of the shards {', '.join(shards.names())}.")
        state = ShardState.DRAINING if action == "drain" else ShardState.OPEN
        if state is ShardState.DRAINING and not self._others_open(shards, shard):
            raise CommandError(f"No other shard is open, so {shard} cannot be drained.")
        missed = set_state(shards, shard, state)
        self.stdout.write(f"Shard {shard} is {state} now")
        if missed:
            self.stderr.write(
                f"Not told: {', '.join(missed)}. If {shard} loses its data, run this again."
            )

    def _others_open(self, shards: LayerShards, shard: str) -> bool:
        found = view(shards)
        return any(found.state(each) is ShardState.OPEN for each in found.names if each != shard)


def _told(found: list[ShardReport], *, as_json: bool) -> list[str]:
    if as_json:
        return [json.dumps([report.as_json() for report in found])]
    return [*map(shard_line, found), f"{len(found)} shards"]
