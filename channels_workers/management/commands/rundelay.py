"""``manage.py rundelay``: says that no process needs to run for delayed messages."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Does nothing: each worker sends delayed messages when they are due."""

    help = "Not needed: each worker sends delayed messages when they are due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the options of 1.x."""
        for option in ("--layer", "--sleep"):
            parser.add_argument(option, help="ignored")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what to do instead."""
        self.stderr.write(
            "rundelay is not needed: each worker sends delayed messages when they are due. "
            "Run `manage.py runworker`, and remove rundelay from your processes."
        )
