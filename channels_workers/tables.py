"""The tables of the engine. A database has them after ``migrate``."""

from __future__ import annotations

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.db.models import Model


def model(name: str) -> type[Model]:
    """Return the model *name*; ImproperlyConfigured if the app is not installed."""
    try:
        return apps.get_model("channels_workers", name)
    except LookupError as error:
        raise ImproperlyConfigured(
            "@once and send(in_transaction=...) store rows in tables of the app channels_workers. "
            "Add it to INSTALLED_APPS."
        ) from error


def has_table(using: str, of: type[Model]) -> bool:
    """Say whether the database *using* has the table of a model; True if it does not tell."""
    try:
        return of._meta.db_table in connections[using].introspection.table_names()
    except (DatabaseError, ImproperlyConfigured):
        return True


def migrate_command(using: str) -> str:
    """Return the command that makes the tables."""
    return "manage.py migrate" + (f" --database={using}" if using != "default" else "")
