"""The database connections of each thread."""

from __future__ import annotations

import threading

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


class _Thread(threading.local):
    """The databases that had a connection on a thread, by alias.

    Asking Django for them costs as much as half a message.
    """

    def __init__(self) -> None:
        self.databases: dict[str, BaseDatabaseWrapper] = {}
        if not settings.configured:  # there is no connection, and an import must not configure them
            return
        for one in connections.all(initialized_only=True):
            if one.connection is not None:
                self.databases[one.alias] = one


#: Those of the running thread.
here = _Thread()


@receiver(connection_created)
def _note(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    here.databases[connection.alias] = connection
