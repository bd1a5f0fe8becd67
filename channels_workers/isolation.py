"""What keeps the run of one consumer from the next on its thread.

Each runs in a context of its own, and leaves no transaction open.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import aclose_old_connections
from django.core.cache import caches
from django.db import close_old_connections, connections

from channels_workers.logs import fields

logger = logging.getLogger(__name__)


def own_context() -> Context:
    """Return a copy of this thread's context, with the connections to caches that Django has in it.

    Those that are made in a copy would be opened anew for each message. The connections of the
    database are the thread's, whatever the context.
    """
    for alias in caches:
        with suppress(Exception):  # a consumer that asks for it gets the error
            caches[alias]
    return copy_context()


def open_transactions() -> set[str]:
    """Return the aliases of the databases in whose transactions this thread is."""
    opened = connections.all(initialized_only=True)
    return {connection.alias for connection in opened if connection.in_atomic_block}


def end_transactions(before: Collection[str], consumer: str) -> None:
    """Roll back the transactions that *consumer* left open, other than those of *before*.

    What later consumers of this thread write would become a part of them, and never be committed.
    """
    for alias in open_transactions().difference(before):
        with suppress(Exception):  # the line may be cut already
            connections[alias].connection.rollback()
            connections[alias].close()
        del connections[alias]
        logger.error(
            "%s left a transaction of the database %r open, which is rolled back. Begin and end "
            "it in one call: `with transaction.atomic():`.",
            consumer,
            alias,
            extra=fields("transaction_left", consumer=consumer),
        )


def close_unusable_connections() -> None:
    """Close the connections of this thread that are of no use any more, after an error.

    One in a transaction belongs to somebody, such as a test.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


async def with_database_care(coroutine: Coroutine[Any, Any, Any], consumer: str) -> Any:
    """Await *coroutine*, of *consumer*; look after the connections before and after it.

    Coroutines reach the database on a thread of their own, which signals do not see.
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
    # One call at a time runs on that thread, and each is to end what it began.
    end_transactions((), consumer)
    close_old_connections()
