"""The thread that one run of an ``async def`` consumer has for its database connection.

Coroutines share one thread for the database by default, so they would share a transaction.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections

from channels_workers.concurrency import forks
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Whether asgiref keeps the threads of contexts where it did, which it does not document.
HAS_THREADS = isinstance(getattr(SyncToAsync, "context_to_thread_executor", None), MutableMapping)

_is_logged = threading.Event()


class _OfThread(threading.local):
    is_ours = False


_of_thread = _OfThread()


def _note() -> None:
    _of_thread.is_ours = True


class _Threads:
    """The threads that no run has now. There are as many as runs were under way at once."""

    def __init__(self) -> None:
        self.begin_in_child()
        forks.renew_in_child(self)

    def begin_in_child(self) -> None:
        """Begin without threads, which a child does not inherit."""
        self._idle: deque[ThreadPoolExecutor] = deque()

    def take(self) -> ThreadPoolExecutor:
        """Return an idle thread, or a new one."""
        with suppress(IndexError):
            return self._idle.pop()
        return ThreadPoolExecutor(1, "database of a coroutine", _note)

    def give_back(self, thread: ThreadPoolExecutor) -> None:
        """Let another run have *thread*."""
        self._idle.append(thread)


_threads = _Threads()


class Care:
    """Leaves a thread as the next run expects it."""

    def __init__(self) -> None:
        self.is_done = False

    def take(self) -> None:
        """Do it now, on that thread, as the last step there."""
        (_clean_up if HAS_THREADS else _close_connections)()
        self.is_done = True


@asynccontextmanager
async def database_thread() -> AsyncIterator[Care]:
    """Have a thread for ``sync_to_async`` and the ORM's coroutines in the block.

    In ``async_to_sync()``, as in tests, it is the thread of the caller. Tasks that are left over
    have another thread after the block. Without that part of asgiref each block has a new thread,
    and so a new connection to the database. The block may take the care of the thread itself, with
    its last step there.
    """
    if not HAS_THREADS:
        _log_missing_part()
    async with ThreadSensitiveContext() as context:
        with _known_thread(context) if HAS_THREADS else nullcontext():
            care = Care()
            try:
                yield care
            finally:
                if not care.is_done:
                    await sync_to_async(care.take)()


@contextmanager
def _known_thread(context: ThreadSensitiveContext) -> Iterator[None]:
    """Let the coroutines of *context* use an idle thread.

    asgiref makes a thread for each context, which would cost a connection for each run. It looks
    here first; a context of its own ends what left-over tasks may use.
    """
    thread, known = _threads.take(), SyncToAsync.context_to_thread_executor
    known[context] = thread
    try:
        yield
    finally:
        known.pop(context, None)
        _threads.give_back(thread)


def _log_missing_part() -> None:
    if not _is_logged.is_set():
        _is_logged.set()
        logger.warning(
            "This release of asgiref lacks a part that @once knows: each run of an `async def` "
            "consumer opens a connection to the database. Use a release that "
            "channels_workers was tested with, or write the consumer as `def`",
            extra=fields("asgiref_unknown"),
        )


def _close_connections() -> None:
    """Close the connections of a thread that ends; one in a transaction belongs to a test."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def close_old() -> None:
    """Close old connections of this thread, on which no signal arrives.

    Those of another thread are those of a test, perhaps in its transaction.
    """
    if _of_thread.is_ours:
        close_old_connections()


def _clean_up() -> None:
    """Close old connections, and roll back transactions that were left open."""
    if not _of_thread.is_ours:
        return
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            with suppress(Exception):  # the connection may be closed already
                connection.connection.rollback()
                connection.close()
            del connections[connection.alias]
    close_old_connections()
