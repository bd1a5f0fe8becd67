"""The thread that one run of an ``async def`` consumer has for its database connection.

Coroutines share one thread for the database by default, so they would share a transaction.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections

from channels_workers.concurrency import forks


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


@asynccontextmanager
async def database_thread() -> AsyncIterator[None]:
    """Have a thread for ``sync_to_async`` and the ORM's coroutines in the block.

    In ``async_to_sync()``, as in tests, it is the thread of the caller. Tasks that are left over
    have another thread after the block.
    """
    thread = _threads.take()
    # asgiref makes a thread for each context, which would cost a connection for each run. It looks
    # here first; a context of its own ends what left-over tasks may use.
    known = SyncToAsync.context_to_thread_executor
    async with ThreadSensitiveContext() as context:
        known[context] = thread
        try:
            yield
        finally:
            try:
                await sync_to_async(_clean_up)()
            finally:
                known.pop(context, None)
                _threads.give_back(thread)


def _clean_up() -> None:
    """Close old connections, and roll back transactions that were left open.

    A transaction in another thread is that of a test.
    """
    for connection in connections.all(initialized_only=True) if _of_thread.is_ours else ():
        if connection.in_atomic_block:
            with suppress(Exception):  # the connection may be closed already
                connection.connection.rollback()
                connection.close()
            del connections[connection.alias]
    close_old_connections()
