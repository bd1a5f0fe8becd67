"""``manage.py deadletters``: the messages that were given up."""

from __future__ import annotations

import pprint
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import (
    DeadLetter,
)
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer


class Command(BaseCommand):
    """Lists the dead letters of a layer, shows one, sends it again, or drops it."""

    help = "Messages that were given up: list them, show one, send it again, or drop it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of the command."""
        parser.add_argument(
            "action", nargs="?", choices=["list", "show", "retry", "drop"], default="list"
        )
        parser.add_argument("ids", nargs="*", metavar="ID", help="as in the list; or: all")
        parser.add_argument("--layer", default=DEFAULT_CHANNEL_LAYER, help="alias of the layer")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked for."""
        layer = get_channel_layer(options["layer"])
        letters = layer.dead_letters()
        if options["action"] == "list":
            self._list(letters)
            self.stdout.write(f"{len(letters)} dead letters")
            return
        for letter in self._chosen(letters, options["ids"]):
            getattr(self, f"_{options['action']}")(layer, letter)

    def _chosen(self, letters: list[DeadLetter], ids: list[str]) -> list[DeadLetter]:
        if not ids:
            raise CommandError("Say which: the ids of dead letters, or `all`.")
        if ids == ["all"]:
            return letters
        known = {letter.id: letter for letter in letters}
        if unknown := [one for one in ids if one not in known]:
            raise CommandError(f"There is no dead letter {', '.join(unknown)}.")
        return [known[one] for one in ids]

    def _list(self, letters: list[DeadLetter]) -> None:
        for letter in letters:
            message = letter.message
            self.stdout.write(f"{letter.id}  {message.channel}  {message.id}  {letter.reason}")

    def _show(self, layer: WorkerLayer, letter: DeadLetter) -> None:
        self._list([letter])
        self.stdout.write(pprint.pformat(layer.content(letter.message)))

    def _retry(self, layer: WorkerLayer, letter: DeadLetter) -> None:
        try:
            is_sent = layer.retry_dead_letter(letter.id)
        except ValueError as error:
            self.stderr.write(str(error))
        else:
            self.stdout.write(f"{letter.id} {'is sent again' if is_sent else 'is gone'}")

    def _drop(self, layer: WorkerLayer, letter: DeadLetter) -> None:
        layer.drop_dead_letter(letter.id)
        self.stdout.write(f"{letter.id} is dropped")
