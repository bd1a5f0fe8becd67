"""The settings of the tests: those of the chat, and the app of tasks, which it does not use."""

import sqlite3
from contextlib import suppress
from importlib.util import find_spec

from chat_project.settings import *  # noqa: F403
from chat_project.settings import DATABASES
from chat_project.settings import INSTALLED_APPS as OF_CHAT

#: Django 6 has the tasks itself.
PACKAGE = [] if find_spec("django.tasks") else ["django_tasks"]

INSTALLED_APPS = [*OF_CHAT, *PACKAGE, "channels_workers.tasks"]


class Closing(sqlite3.Connection):
    """A connection that is closed when nothing refers to it, as before Python 3.13.

    The test database is in memory. Django ignores every `close()` of such a connection, so those of
    threads stay open until the garbage collector takes them, and Python 3.13 warns of that.
    """

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it could not be opened
            self.close()


if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"]["factory"] = Closing
