"""The two statements of ``@once`` where the driver is psycopg 3.

They are most of its cost on PostgreSQL. So the row and the COMMIT share one round trip, for which
Django has no call, and both go to libpq without the layers above it. Hooks of Django expect one
statement at a time, so where there are hooks the ordinary way is taken. So it is with a release of
Django or psycopg that lacks a part which is used here.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError

#: A connection of Django. Its type stubs lack the driver, ``Database``.
Connection = Any


#: The parts of Django's connection, of psycopg, of its module ``pq``, and of its libpq connection.
OF_DJANGO = (
    *("execute_wrappers", "queries_logged", "needs_rollback", "closed_in_transaction"),
    *("close_if_health_check_failed", "ensure_connection", "wrap_database_errors"),
)
OF_DRIVER = ("OperationalError", "errors", "pq")
OF_PQ = ("ConnStatus", "ExecStatus", "PGconn", "TransactionStatus")
OF_LIBPQ = ("error_message", "exec_", "status", "transaction_status")

#: Whether the classes of connections have all parts.
_has_parts: dict[type, bool] = {}


def has_parts(connection: Connection) -> bool:
    """Say whether Django and the driver have all parts that this module uses."""
    kind = type(connection)
    if (known := _has_parts.get(kind)) is None:
        known = _has_parts[kind] = connection.vendor == "postgresql" and _looked_up(connection)
    return known


def _looked_up(connection: Connection) -> bool:
    driver = connection.Database
    pq, errors = getattr(driver, "pq", None), getattr(driver, "errors", None)
    wanted = (
        (connection, OF_DJANGO),
        (driver, OF_DRIVER),
        (pq, OF_PQ),
        (getattr(pq, "PGconn", None), OF_LIBPQ),
        (errors, ("error_from_result",)),
    )
    return all(hasattr(owner, name) for owner, names in wanted for name in names)


def is_direct(connection: Connection) -> bool:
    """Say whether statements may go to libpq now."""
    return (
        has_parts(connection)
        and not connection.execute_wrappers
        and not connection.queries_logged
        and not connection.needs_rollback
        and not connection.closed_in_transaction
    )


def commits(connection: Connection) -> bool:
    """Say whether the end of the next ``atomic()`` commits: it is in no other transaction."""
    return connection.autocommit and not connection.in_atomic_block


def is_there(connection: Connection, sql: str, key: UUID) -> bool:
    """Say whether *sql*, a SELECT with a placeholder, finds *key*."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    return bool(_execute(connection, sql % _literal(key)).ntuples)


def store_and_commit(connection: Connection, sql: str, key: UUID, effects: bytes) -> None:
    """Run *sql*, an INSERT with two placeholders, and COMMIT.

    The end of ``atomic()`` then finds no transaction in the driver, and sends nothing. The driver
    begins one with the first statement of the consumer, if there is any.
    """
    status = connection.connection.pgconn.transaction_status
    end = "" if status == connection.Database.pq.TransactionStatus.IDLE else "; COMMIT"
    _execute(connection, sql % (_literal(key), _literal(effects)) + end)


def is_of(error: IntegrityError, table: str) -> bool:
    """Say whether a constraint of *table* is violated, not one that was deferred to the COMMIT."""
    cause: Any = error.__cause__
    return bool(cause.diag.table_name == table)


def _literal(value: UUID | bytes) -> str:
    return f"E'\\\\x{value.hex()}'" if isinstance(value, bytes) else f"'{value}'"


def _execute(connection: Connection, sql: str) -> Any:
    """Execute statements, and return the result of the last. Raises Django's errors."""
    driver, libpq = connection.Database, connection.connection.pgconn
    with connection.wrap_database_errors:
        result = libpq.exec_(sql.encode())
        if libpq.status != driver.pq.ConnStatus.OK:
            raise driver.OperationalError(libpq.error_message.decode(errors="replace"))
        if result.status not in {driver.pq.ExecStatus.TUPLES_OK, driver.pq.ExecStatus.COMMAND_OK}:
            raise driver.errors.error_from_result(result)
    return result
