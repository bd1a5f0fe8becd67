"""The database connections of each thread."""

from __future__ import annotations

import threading

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


class _Thread(threading.local):
    """What a thread knows of its database connections."""

    _found: dict[str, BaseDatabaseWrapper] | None = None

    @property
    def databases(self) -> dict[str, BaseDatabaseWrapper]:
        """The databases that had a connection on this thread, by alias.

        Asking Django for them costs as much as half a message, so that is done once for each
        thread. It is not done at import, because Django would keep settings that are half loaded.
        """
        if self._found is None:
            self._found = {}
            if settings.configured:  # else there is no connection, and this must not configure them
                for one in connections.all(initialized_only=True):
                    if one.connection is not None:
                        self._found[one.alias] = one
        return self._found


#: Those of the running thread.
here = _Thread()


@receiver(connection_created)
def _note(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    here.databases[connection.alias] = connection
