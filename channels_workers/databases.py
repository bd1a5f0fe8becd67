"""The database connections of each thread."""

from __future__ import annotations

import threading
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
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
        with suppress(ImproperlyConfigured):  # without settings there is no connection
            for one in connections.all(initialized_only=True):
                if one.connection is not None:
                    self.databases[one.alias] = one


#: Those of the running thread.
here = _Thread()


@receiver(connection_created)
def _note(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    here.databases[connection.alias] = connection
