"""System checks of ``@once``: its databases, its table, and its consumers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections

from channels_workers.checks.routing import load_router
from channels_workers.layers.types import REQUEST
from channels_workers.logs import name_of
from channels_workers.message import Consumer
from channels_workers.once.decorator import databases
from channels_workers.once.rows import has_table
from channels_workers.routing import Include, Route
from channels_workers.tables import migrate_command
from channels_workers.transient import is_retried


@register("channels_workers")
def check_once(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the consumers with @once that the routing imports."""
    try:
        routing = load_router().root.routing
    except (ImproperlyConfigured, ValueError):  # which another check reports
        return []
    if not databases:
        return []
    return [*_unknown_databases(), *_requests(routing), *_retries()]


def _unknown_databases() -> Iterator[CheckMessage]:
    for using in sorted(databases.difference(connections)):
        yield Error(
            f"A consumer has @once with the database {using!r}, which DATABASES does not have.",
            hint=f"Known are {', '.join(map(repr, sorted(connections)))}. Correct `using`.",
            id="channels_workers.E017",
        )


def _requests(routing: Iterable[Any]) -> Iterator[CheckMessage]:
    for consumer in _consumers_of_requests(routing):
        if getattr(consumer, "is_once", False) or getattr(consumer, "once", False):
            yield Error(
                f"{name_of(consumer)} has @once and is routed for http.request. An unsafe request "
                "runs at most once, and a response may go out before the commit.",
                hint="Use transaction.atomic() for what the request writes.",
                id="channels_workers.E018",
            )


def _consumers_of_requests(routing: Iterable[Any]) -> Iterator[Consumer]:
    for entry in routing:
        if isinstance(entry, Include):
            yield from _consumers_of_requests(entry.routing)
        elif isinstance(entry, Route) and REQUEST in entry.channels:
            yield entry.consumer


def _retries() -> Iterator[CheckMessage]:
    try:
        is_right = is_retried(OperationalError())
    except ImproperlyConfigured:  # which another check reports
        return
    if not is_right:
        yield checks.Warning(
            "A consumer has @once, and RETRY_ON of CHANNEL_WORKERS lacks "
            "django.db.OperationalError. A database that goes away as it commits then loses what "
            "the consumer sent, although its rows may be there.",
            hint='Add "django.db.OperationalError" and "django.db.InterfaceError".',
            id="channels_workers.W011",
        )


@register("channels_workers", "database")
def check_table(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Look for the table in each database that is checked, with ``check --database``."""
    return [_no_table(using) for using in _used(databases or ()) if not has_table(using)]


def _used(checked: Sequence[str]) -> list[str]:
    return sorted(databases.intersection(checked).intersection(connections))


def _no_table(using: str) -> CheckMessage:
    return checks.Warning(
        f"The database {using!r} has no table for the consumers with @once.",
        hint=f"Run `{migrate_command(using)}`. Until then their messages wait, as for a database "
        "that is away.",
        id="channels_workers.W012",
    )
