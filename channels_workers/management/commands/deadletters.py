"""``manage.py deadletters``: lists dead letters, and acts on them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.aside import printable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    DeadLetter,
)
from channels_workers.management.layers import shared_layer
from channels_workers.management.report import left_out, letter_text
from channels_workers.registry import DEFAULT_CHANNEL_LAYER


class Command(BaseCommand):
    """Lists the dead letters of a layer, shows one, sends it again, or drops it."""

    help = "Lists dead letters, shows one, sends it again, or drops it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of the command."""
        parser.add_argument(
            "action",
            nargs="?",
            choices=["list", "show", "retry", "drop", "aside"],
            default="list",
            help="aside: data that could not be read, and is no message",
        )
        parser.add_argument("ids", nargs="*", metavar="ID", help="ids from the list, or: all")
        parser.add_argument("--layer", default=DEFAULT_CHANNEL_LAYER, help="alias of the layer")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        try:
            layer = shared_layer(options["layer"], self)
            self._do(layer, options["action"], options["ids"])
        except (LayerUnavailable, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None

    def _do(self, layer: WorkerLayer, action: str, ids: list[str]) -> None:
        if action == "aside":
            self._list_aside(layer)
            return
        dead_letters = layer.admin.dead_letters()
        if action == "list":
            self._list(dead_letters)
            for line in (f"{len(dead_letters)} dead letters", *left_out(layer)):
                self.stdout.write(line)
            return
        for letter in self._chosen(dead_letters, ids):
            getattr(self, f"_{action}")(layer, letter)

    def _list_aside(self, layer: WorkerLayer) -> None:
        notes = layer.admin.set_aside()
        for note in notes:
            self.stdout.write(f"{printable(note.where)}  {note.value[:100]!r}")
        for line in (f"{len(notes)} set aside as unreadable, the newest only", *left_out(layer)):
            self.stdout.write(line)

    def _chosen(self, dead_letters: list[DeadLetter], ids: list[str]) -> list[DeadLetter]:
        if not ids:
            raise CommandError("Give the ids of dead letters, or `all`.")
        if ids == ["all"]:
            return dead_letters
        known = {letter.id: letter for letter in dead_letters}
        if unknown := [one for one in ids if one not in known]:
            raise CommandError(f"There is no dead letter {', '.join(unknown)}.")
        return [known[one] for one in ids]

    def _list(self, dead_letters: list[DeadLetter]) -> None:
        for letter in dead_letters:
            message = letter.message
            parts = (letter.id, message.channel, message.id, letter.reason)
            self.stdout.write("  ".join(map(printable, parts)))

    def _show(self, layer: WorkerLayer, letter: DeadLetter) -> None:
        self._list([letter])
        self.stdout.write(letter_text(layer, letter))

    def _retry(self, layer: WorkerLayer, letter: DeadLetter) -> None:
        try:
            is_sent = layer.admin.retry(letter.id)
        except ValueError as error:
            self.stderr.write(str(error))
        else:
            self.stdout.write(f"{letter.id} {'is sent again' if is_sent else 'is gone'}")

    def _drop(self, layer: WorkerLayer, letter: DeadLetter) -> None:
        layer.admin.drop(letter.id)
        self.stdout.write(f"{letter.id} is dropped")
