"""Isolates consumers that run on one thread from each other.

Each runs in a context of its own, and leaves no transaction open.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import aclose_old_connections
from django.core.cache import caches
from django.db import close_old_connections, connections

from channels_workers.databases import here
from channels_workers.logs import fields

logger = logging.getLogger(__name__)


def open_caches() -> None:
    """Make Django's connections to caches in the context of this thread.

    Consumers run in copies of it. A connection that is made in a copy would be opened again for
    each message. Database connections belong to the thread in every context.
    """
    for alias in caches:
        with suppress(Exception):  # the consumer that uses it gets the error
            caches[alias]


def open_transactions() -> list[str]:
    """Return the aliases of the databases with an open transaction on this thread."""
    return [alias for alias, one in here.databases.items() if one.in_atomic_block]


def end_transactions(before: Collection[str], consumer: str) -> None:
    """Roll back the transactions that *consumer* left open, except those of *before*.

    Otherwise the writes of later consumers on this thread would join them, and be lost.
    """
    for alias in open_transactions():
        if alias in before:
            continue
        database = here.databases.pop(alias)
        with suppress(Exception):  # the connection may be closed already
            database.connection.rollback()
            database.close()
        with suppress(AttributeError):  # the next use makes a new one
            del connections[alias]
        logger.error(
            "%s left a transaction of the database %r open; it is rolled back. Begin and end it "
            "in one call, with `with transaction.atomic():`.",
            consumer,
            alias,
            extra=fields("transaction_left", consumer=consumer),
        )


def close_unusable_connections() -> None:
    """Close the connections of this thread that cannot be used any more, after an error.

    A connection in a transaction belongs to somebody else, such as a test.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


async def with_database_care(coroutine: Coroutine[Any, Any, Any], consumer: str) -> Any:
    """Await *coroutine* of *consumer*, and close old database connections before and after it.

    Coroutines use the database on a thread of their own, where signals do not arrive.
    """
    try:
        await aclose_old_connections()
    except BaseException:
        coroutine.close()
        raise
    try:
        return await coroutine
    finally:
        await sync_to_async(_end)(consumer)


def _end(consumer: str) -> None:
    # One call at a time runs on that thread, and each must end its own transactions.
    end_transactions((), consumer)
    close_old_connections()
