"""System checks of ``RELAY``: its databases, and their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from channels_workers import tables
from channels_workers.conf import configuration

#: The newer one of the tables.
MODEL = "RelayedDatabase"


@register("channels_workers")
def check_relay(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find databases in RELAY that do not exist."""
    return [
        Error(
            f"RELAY of CHANNEL_WORKERS has the database {using!r}, which DATABASES does not have.",
            hint=f"Known are {', '.join(map(repr, sorted(connections)))}. Correct RELAY.",
            id="channels_workers.E022",
        )
        for using in sorted(_relayed().difference(connections))
    ]


@register("channels_workers", "database")
def check_relay_tables(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Look for the tables in each database that is checked, with ``check --database``."""
    checked = _relayed().intersection(connections).intersection(databases or ())
    return [
        checks.Warning(
            f"RELAY has the database {using!r}, which has no table for stored sends.",
            hint=f"Run `{tables.migrate_command(using)}`. Until then send(in_transaction={using!r})"
            " raises.",
            id="channels_workers.W013",
        )
        for using in sorted(checked)
        if not tables.has_table(using, tables.model(MODEL))
    ]


def _relayed() -> set[str]:
    try:
        return set(configuration().RELAY)
    except ImproperlyConfigured:  # which another check reports
        return set()
