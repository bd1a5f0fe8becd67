"""Closes connections to SQLite that the tests have opened, for Python 3.13 and later.

They warn of one that is collected without being closed. Django does not close those to a database
in memory, which each thread of a worker opens.
"""

import threading
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

#: Each connection that is open, and the thread that opened it.
_opened: list[tuple[threading.Thread, Any]] = []


@receiver(connection_created)
def _note(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if connection.vendor == "sqlite":
        _opened.append((threading.current_thread(), connection.connection))


def close_unused() -> None:
    """Close those of threads that have ended, and those that this one does not use any more."""
    here = threading.current_thread()
    used = [each.connection for each in connections.all(initialized_only=True)]
    for entry in list(_opened):
        thread, found = entry
        is_used = any(found is one for one in used) if thread is here else thread.is_alive()
        if not is_used:
            found.close()
            _opened.remove(entry)


def close_all() -> None:
    """Close all of them, when no test follows."""
    while _opened:
        _opened.pop()[1].close()
