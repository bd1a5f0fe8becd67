"""How many stored sends wait in the databases of ``RELAY``, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from django.utils.connection import ConnectionDoesNotExist

from channels_workers.conf import configuration
from channels_workers.relay.rows import rows

#: How many sends are counted in a database.
COUNTED = 10_000


@dataclass(frozen=True)
class StoredSends:
    """The sends for a layer that wait in *database*; *oldest* is the age of the oldest (s).

    *waiting* is at most :data:`COUNTED`, and there *is more* then perhaps. It is None if the
    database does not tell, as before ``migrate``, and *error* says why.
    """

    database: str
    waiting: int | None = None
    oldest: float | None = None
    error: str = ""
    is_more: bool = False


def stored_sends(layer: str) -> list[StoredSends]:
    """Return what waits for the layer with the alias *layer*, for each database of ``RELAY``."""
    return [_look(using, layer) for using in dict.fromkeys(configuration().RELAY)]


def _look(using: str, layer: str) -> StoredSends:
    try:
        return stored_in(using, layer=layer)
    except (DatabaseError, ImproperlyConfigured, ConnectionDoesNotExist) as error:
        return StoredSends(using, error=str(error).strip().partition("\n")[0])


def stored_in(using: str, **wanted: str) -> StoredSends:
    """Return what waits in the database *using*, of rows with the fields *wanted*.

    Raises the errors of the database.
    """
    with transaction.atomic(using=using):
        found = rows(using).filter(**wanted)
        count = found[: COUNTED + 1].count()
        first = found.order_by("pk").annotate(now=Now()).values_list("at", "now").first()
    oldest = None if first is None else max(0.0, (first[1] - first[0]).total_seconds())
    return StoredSends(using, min(count, COUNTED), oldest, is_more=count > COUNTED)
