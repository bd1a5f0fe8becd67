"""What keeps the run of one consumer from the next on its thread.

Each runs in a context of its own, and leaves no transaction open.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import aclose_old_connections
from django.core.cache import caches
from django.db import close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from channels_workers.logs import fields

logger = logging.getLogger(__name__)


class _Thread(threading.local):
    """What is known of a thread: to ask Django each time takes as long as half a message."""

    def __init__(self) -> None:
        self.databases: dict[str, BaseDatabaseWrapper] = {}  # that were connected to, by alias
        self.caches: object = None  # the settings of the caches that are in its context


_thread = _Thread()


@receiver(connection_created)
def _note(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    _thread.databases[connection.alias] = connection


def own_context() -> Context:
    """Return a copy of this thread's context, with the connections to caches that Django has in it.

    Those that are made in a copy would be opened anew for each message. The connections of the
    database are the thread's, whatever the context.
    """
    if _thread.caches is not caches.settings:
        _thread.caches = caches.settings
        for alias in caches:
            with suppress(Exception):  # a consumer that asks for it gets the error
                caches[alias]
    return copy_context()


def open_transactions() -> list[str]:
    """Return the aliases of the databases in whose transactions this thread is."""
    return [alias for alias, one in _thread.databases.items() if one.in_atomic_block]


def end_transactions(before: Collection[str], consumer: str) -> None:
    """Roll back the transactions that *consumer* left open, other than those of *before*.

    What later consumers of this thread write would become a part of them, and never be committed.
    """
    for alias in open_transactions():
        if alias in before:
            continue
        database = _thread.databases.pop(alias)
        with suppress(Exception):  # the line may be cut already
            database.connection.rollback()
            database.close()
        with suppress(AttributeError):  # the next who asks gets a new one
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
