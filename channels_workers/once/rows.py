"""The rows that say which messages are committed, in the database of their consumer.

Each message reads and writes one. Plain SQL does that in a third of the ORM's time, and it sends
no signals.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DatabaseError, IntegrityError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BinaryField, Model, QuerySet
from django.db.models.constants import OnConflict

from channels_workers import tables
from channels_workers.logs import fields
from channels_workers.once import postgres
from channels_workers.tables import migrate_command

logger = logging.getLogger(__name__)

#: The databases whose missing table is logged.
_missing: set[str] = set()

_binary = BinaryField()

#: The statements by the vendor of a database and the name of the table.
_statements: dict[tuple[str, str], _Statements] = {}


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


class _Statements(NamedTuple):
    find: str
    store: str
    claim: str | None  # as store, but a row that is there is no error; None if that is impossible


def find(connection: BaseDatabaseWrapper, key: UUID) -> bytes | None:
    """Return the effects of the row *key*, None if there is none.

    Raises OperationalError if there is no table yet, so that the message runs again later.
    """
    try:
        found = _look_up(connection, key)
    except DatabaseError as error:
        # Without a connection, a second attempt would double the wait of this thread.
        if connection.connection is not None and not has_table(connection.alias):
            raise _no_table(connection.alias) from error
        raise
    if _missing:
        _missing.discard(connection.alias)
    return found


def _look_up(connection: BaseDatabaseWrapper, key: UUID) -> bytes | None:
    sql = _statements_of(connection).find
    if postgres.is_direct(connection) and not postgres.is_there(connection, sql, key):
        return None
    with connection.cursor() as cursor:
        cursor.execute(sql, [_prepared(key, connection)])
        found = cursor.fetchone()
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


def store_and_commit(connection: BaseDatabaseWrapper, key: UUID, effects: bytes) -> None:
    """Do as :func:`store` at the end of a transaction, and commit it where that saves a round trip.

    Raises the errors of a COMMIT, too.
    """
    if not postgres.is_direct(connection):
        store(connection, key, effects)
        return
    try:
        sql = _statements_of(connection).store
        postgres.store_and_commit(connection, sql, key, effects)
    except IntegrityError as error:
        if postgres.is_of(error, model()._meta.db_table):
            raise Taken from error
        raise


def store(connection: BaseDatabaseWrapper, key: UUID, effects: bytes) -> None:
    """Write a row; raise :class:`Taken` if there is one with that key."""
    sql = _statements_of(connection).store
    values = [_prepared(key, connection), _binary.get_db_prep_value(effects, connection)]
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
    except IntegrityError as error:
        raise Taken from error


def claim(connection: BaseDatabaseWrapper, key: UUID) -> bool:
    """Write a row without effects, as a part of the transaction; return False if there is one.

    It waits for another transaction that has written one. *key* must not be that of a message.
    """
    sql = _statements_of(connection).claim
    if sql is None:
        return _claim_in_savepoint(connection, key)
    values = [_prepared(key, connection), _binary.get_db_prep_value(b"", connection)]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return bool(cursor.rowcount > 0)


def _claim_in_savepoint(connection: BaseDatabaseWrapper, key: UUID) -> bool:
    try:
        with transaction.atomic(connection.alias):
            store(connection, key, b"")
    except Taken:
        return False
    return True


def _statements_of(connection: BaseDatabaseWrapper) -> _Statements:
    place = connection.vendor, model()._meta.db_table
    if (known := _statements.get(place)) is None:
        table, key, effects = map(connection.ops.quote_name, (place[1], "key", "effects"))
        known = _statements[place] = _Statements(
            f"SELECT {effects} FROM {table} WHERE {key} = %s",  # noqa: S608
            f"INSERT INTO {table} ({key}, {effects}) VALUES (%s, %s)",  # noqa: S608
            _claim_of(connection, f"{table} ({key}, {effects}) VALUES (%s, %s)"),
        )
    return known


def _claim_of(connection: BaseDatabaseWrapper, row: str) -> str | None:
    if not connection.features.supports_ignore_conflicts:
        return None
    ignored = OnConflict.IGNORE
    begin = connection.ops.insert_statement(on_conflict=ignored)
    return f"{begin} {row} {connection.ops.on_conflict_suffix_sql([], ignored, [], [])}".rstrip()


def _prepared(key: UUID, connection: BaseDatabaseWrapper) -> UUID | str:
    """Return *key* as a parameter, as ``UUIDField`` does."""
    return key if connection.features.has_native_uuid_field else key.hex
