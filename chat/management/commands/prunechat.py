"""``manage.py prunechat``: delete rows that are no longer needed. Workers do so periodically."""

from typing import Any

from django.core.management.base import BaseCommand

from chat.pruning import prune


class Command(BaseCommand):
    """The command of :mod:`chat.pruning`."""

    help = "Delete rooms that were never used, expired sessions, and what is remembered too long."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune once."""
        self.stdout.write(f"{prune()} rooms that were never used are deleted.")
