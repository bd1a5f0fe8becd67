"""The rows that say which messages are committed, in the database of their consumer.

Each message reads and writes one. Plain SQL does that in a third of the ORM's time, and it sends
no signals.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any
from uuid import UUID

from django.db import DatabaseError, IntegrityError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model, QuerySet

from channels_workers import tables
from channels_workers.logs import fields
from channels_workers.tables import migrate_command

logger = logging.getLogger(__name__)

#: The databases whose missing table is logged.
_missing: set[str] = set()


class Taken(Exception):
    """Another run of the message is committed, or under way."""


def model() -> type[Model]:
    """Return the model; ImproperlyConfigured if its app is not installed."""
    return tables.model("CommittedMessage")


def rows(using: str) -> QuerySet[Any]:
    """Return the rows in the database *using*."""
    return model()._base_manager.using(using)


def key_of(message_id: str, number: int) -> UUID:
    """Return the key of call *number* (from 1) of ``@once`` in a run of the message."""
    text = message_id if number == 1 else f"{message_id} {number}"
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return UUID(bytes=digest, version=4)  # MariaDB refuses other bits


def find(using: str, key: UUID) -> bytes | None:
    """Return the effects of the row *key*, None if there is none.

    Raises OperationalError if there is no table yet, so that the message runs again later.
    """
    connection, table = connections[using], model()._meta.db_table
    name = connection.ops.quote_name
    sql = f"SELECT {name('effects')} FROM {name(table)} WHERE {name('key')} = %s"  # noqa: S608
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, [_prepared("key", key, connection)])
            found = cursor.fetchone()
    except DatabaseError as error:
        # Without a connection, a second attempt would double the wait of this thread.
        if connection.connection is not None and not has_table(using):
            raise _no_table(using) from error
        raise
    if _missing:
        _missing.discard(using)
    return None if found is None else bytes(found[0])


def has_table(using: str) -> bool:
    """Say whether the database *using* has the table; True if it does not tell."""
    return tables.has_table(using, model())


def _no_table(using: str) -> OperationalError:
    text = (
        f"The database {using!r} has no table for @once. Run `{migrate_command(using)}`; messages "
        "of consumers with @once wait for it, as for a database that is away."
    )
    if using not in _missing:
        _missing.add(using)
        logger.error(text, extra=fields("table_missing"))
    return OperationalError(text)


def store(using: str, key: UUID, effects: bytes) -> None:
    """Write a row; raise :class:`Taken` if there is one with that key."""
    connection, table = connections[using], model()._meta.db_table
    name = connection.ops.quote_name
    names = f"{name('key')}, {name('effects')}"
    sql = f"INSERT INTO {name(table)} ({names}) VALUES (%s, %s)"  # noqa: S608
    values = [_prepared("key", key, connection), _prepared("effects", effects, connection)]
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
    except IntegrityError as error:
        raise Taken from error


def _prepared(name: str, value: UUID | bytes, connection: BaseDatabaseWrapper) -> Any:
    """Return *value* as a parameter for the column *name*."""
    field = model()._meta.get_field(name)
    assert isinstance(field, Field)  # noqa: S101  (for the type checker)
    return field.get_db_prep_value(value, connection)
