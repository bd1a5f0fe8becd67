"""A real PostgreSQL for tests, as the database `postgres` beside the default one."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.db import connections
from django.db.models import Model

from channels_workers.once import database_thread
from labs.harness.postgres import Postgres

#: The alias of the database.
DB = "postgres"


@contextmanager
def started() -> Iterator[Postgres]:
    """A server, which is stopped at the end."""
    # The server runs as another user if root runs the tests, and must reach its folder.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        made = Postgres(Path(folder))
        made.create()
        yield made
        made.stop()
        assert made.process is not None
        made.process.stop()  # which closes its output


@contextmanager
def tables(server: Postgres, models: Sequence[type[Model]]) -> Iterator[None]:
    """The database with the tables of these models."""
    options = {
        **connections.configure_settings({})["default"],
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "chat",
        "USER": "postgres",
        "HOST": str(server.folder),
        "PORT": server.port,
        "CONN_HEALTH_CHECKS": True,
    }
    connections.settings[DB] = connections.configure_settings({"default": {}, DB: options})[DB]
    with connections[DB].schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    yield
    with connections[DB].schema_editor() as editor:
        for model in models:
            editor.delete_model(model)
    for thread in list(database_thread._threads._idle):
        thread.submit(_forget).result()
    _forget()
    del connections.settings[DB]


def _forget() -> None:
    """Close the connection of this thread: the next server has another address."""
    for connection in connections.all(initialized_only=True):
        if connection.alias == DB:
            connection.close()
            del connections[DB]
