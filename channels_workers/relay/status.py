"""How many stored sends wait in the databases of ``RELAY``, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.models.functions import Now
from django.utils.connection import ConnectionDoesNotExist

from channels_workers.conf import configuration
from channels_workers.relay.rows import rows


@dataclass(frozen=True)
class StoredSends:
    """The sends for a layer that wait in *database*; *oldest* is the age of the oldest (s).

    *waiting* is None if the database does not tell, and *error* says why.
    """

    database: str
    waiting: int | None = None
    oldest: float | None = None
    error: str = ""


def stored_sends(layer: str) -> list[StoredSends]:
    """Return what waits for the layer with the alias *layer*, for each database of ``RELAY``."""
    return [_look(using, layer) for using in dict.fromkeys(configuration().RELAY)]


def _look(using: str, layer: str) -> StoredSends:
    try:
        wanted = rows(using).filter(layer=layer)
        times = wanted.order_by("pk").annotate(now=Now()).values_list("at", "now")[:1]
        ages = [(now - at).total_seconds() for at, now in times]
        return StoredSends(using, wanted.count(), max(0.0, ages[0]) if ages else None)
    except (DatabaseError, ImproperlyConfigured, ConnectionDoesNotExist) as error:
        return StoredSends(using, error=str(error).strip().partition("\n")[0])
