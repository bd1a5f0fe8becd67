"""``manage.py tasks``: lists tasks, shows one, lets it run again, or drops it."""

from __future__ import annotations

import json
import pprint
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error as DatabaseTrouble
from django.db.models import QuerySet

from channels_workers.layers.aside import printable
from channels_workers.tasks import rows
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.models import StoredTask
from channels_workers.tasks.recovery import drop, in_batches, last_error, run_again

#: How many tasks are listed, the newest.
LISTED = 1_000

#: The fields that a list has, and those that are shown besides.
WHO = ("id", "status", "backend", "queue", "priority", "path", "attempts")
BRIEF = (*WHO, "enqueued_at", "started_at", "finished_at")
DETAILS = ("run_after", "next_attempt_at", "args", "kwargs", "return_value", "worker_ids", "errors")


class Command(BaseCommand):
    """Lists the tasks that have failed, shows one, lets it run again, or drops it."""

    help = "Lists tasks, those that have failed by default; shows one, runs it again, or drops it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of the command."""
        actions = ["list", "show", "retry", "drop"]
        parser.add_argument("action", nargs="?", choices=actions, default="list")
        parser.add_argument("ids", nargs="*", metavar="ID", help="ids from the list, or: all")
        statuses = [*TaskResultStatus.values, "ANY"]
        parser.add_argument("--status", choices=statuses, default="FAILED", help="or ANY")
        parser.add_argument("--queue", help="only those of this queue")
        parser.add_argument("--path", help="only those whose dotted name has this text in it")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        try:
            self._do(options)
        except (DatabaseTrouble, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None

    def _do(self, options: dict[str, Any]) -> None:
        if options["action"] == "list":
            self._list(_matching(options), options["json"])
            return
        chosen = _chosen(options)
        match options["action"]:
            case "show":
                self._show(chosen, options["json"])
            case "retry":
                is_lost = options["status"] == TaskResultStatus.RUNNING
                self._act(chosen, partial(run_again, is_lost=is_lost))
            case _:
                self._act(chosen, drop)

    def _list(self, found: QuerySet[StoredTask], as_json: bool) -> None:
        listed = list(found.defer("args", "kwargs", "return_value", "effects")[:LISTED])
        if as_json:
            self._print_json([_fields(row, BRIEF) for row in listed])
            return
        for row in listed:
            self.stdout.write(_line(row))
        self.stdout.write(f"{found.count()} tasks")

    def _show(self, chosen: Iterable[StoredTask], as_json: bool) -> None:
        if as_json:
            self._print_json([_fields(row, (*BRIEF, *DETAILS)) for row in chosen])
            return
        for row in chosen:
            self.stdout.write(_line(row))
            self.stdout.write(pprint.pformat({"args": row.args, "kwargs": row.kwargs}))
            for number, error in enumerate(row.errors, 1):
                self.stdout.write(f"Error {number} of {len(row.errors)}:")
                self.stdout.write("\n".join(map(_printable, error["traceback"].splitlines())))

    def _act(self, chosen: Iterable[StoredTask], act: Callable[[StoredTask], str]) -> None:
        for row in chosen:
            self.stdout.write(f"{row.pk} {act(row)}")

    def _print_json(self, found: list[dict[str, Any]]) -> None:
        self.stdout.write(json.dumps(found, cls=DjangoJSONEncoder))


def _matching(options: dict[str, Any]) -> QuerySet[StoredTask]:
    found = rows.all_tasks().order_by("-enqueued_at")
    if options["status"] != "ANY":
        found = found.filter(status=options["status"])
    if options["queue"] is not None:
        found = found.filter(queue=options["queue"])
    if options["path"] is not None:
        found = found.filter(path__contains=options["path"])
    return found


def _chosen(options: dict[str, Any]) -> Iterable[StoredTask]:
    ids: list[str] = options["ids"]
    if not ids:
        raise CommandError(
            "Give the ids of tasks, or `all` for those that --status and others name."
        )
    if ids == ["all"]:
        return in_batches(_matching(options))
    found = {str(row.pk): row for row in map(rows.find, ids) if row is not None}
    if unknown := [one for one in ids if _canonical(one) not in found]:
        raise CommandError(f"There is no task {', '.join(unknown)}.")
    return found.values()


def _canonical(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return text


def _line(row: StoredTask) -> str:
    moment = row.finished_at or row.started_at or row.enqueued_at
    parts = (str(row.pk), row.status, row.queue, f"{moment:%Y-%m-%d %H:%M:%S}", row.path)
    return "  ".join(map(printable, (*parts, *filter(None, [last_error(row)]))))


def _printable(line: str) -> str:
    return printable(line, longest=10_000)


def _fields(row: StoredTask, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names} | {"error": last_error(row)}
