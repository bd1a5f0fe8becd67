"""``manage.py asyncapi``: writes the AsyncAPI document of the sockets, or types of TypeScript."""

from __future__ import annotations

from argparse import ArgumentParser
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

#: How many lines of a difference are shown.
SHOWN = 40


class Command(BaseCommand):
    """Writes the AsyncAPI 3 document of what consumers declare, or types of TypeScript."""

    help = "Writes the AsyncAPI 3 document of the sockets, or their types of TypeScript."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of the command."""
        parser.add_argument(
            "--typescript", action="store_true", help="write types of TypeScript instead"
        )
        parser.add_argument("--output", type=Path, metavar="FILE", help="by default stdout")
        parser.add_argument(
            "--check", action="store_true", help="exit with status 1 if FILE has something else"
        )
        parser.add_argument("--title", default="", help="by default the name of the project")
        parser.add_argument("--api-version", default="1.0.0", metavar="VERSION", help="of the API")
        parser.add_argument("--server", default="", metavar="URL", help="wss://chat.example.com")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write or compare the text."""
        if options["check"] and options["output"] is None:
            raise CommandError("--check needs --output FILE, the file to compare with.")
        try:
            text = self._text(options)
        except (ImproperlyConfigured, TypeError, ValueError) as error:
            raise CommandError(str(error)) from error
        if options["check"]:
            self._compare(text, options["output"])
        elif options["output"] is None:
            self.stdout.write(text, ending="")
        else:
            self._write(text, options["output"])

    def _text(self, options: dict[str, Any]) -> str:
        from channels_workers.asyncapi.output import text_of  # noqa: PLC0415  (needs an extra)

        return text_of(
            options["typescript"],
            options["title"],
            options["api_version"],
            options["server"],
            self.stderr.write,
        )

    def _write(self, text: str, file: Path) -> None:
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"Cannot write {file}: {error.strerror}.") from None

    def _compare(self, text: str, file: Path) -> None:
        try:
            before = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise CommandError(f"Cannot read {file}: {error.strerror}.") from None
        if before == text:
            return
        lines = unified_diff(
            before.splitlines(), text.splitlines(), str(file), "the routing", lineterm="", n=1
        )
        self.stderr.write("\n".join(islice(lines, SHOWN)))
        raise CommandError(f"{file} is not up to date. Run the command without --check.")
