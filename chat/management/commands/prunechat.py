"""``manage.py prunechat``: delete what nobody needs; workers do the same now and then."""

from typing import Any

from django.core.management.base import BaseCommand

from chat.pruning import prune


class Command(BaseCommand):
    """See :mod:`chat.pruning`."""

    help = "Delete rooms that were never used, expired sessions, and what is remembered too long."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune once."""
        self.stdout.write(f"{prune()} rooms that were never used are deleted.")
