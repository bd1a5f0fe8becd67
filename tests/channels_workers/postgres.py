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
    database_thread._threads.begin_in_child()  # those of before have connections to another server
    connections.settings[DB] = connections.configure_settings({"default": {}, DB: options})[DB]
    with connections[DB].schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    yield
    with connections[DB].schema_editor() as editor:
        for model in models:
            editor.delete_model(model)
    connections[DB].close()
    del connections.settings[DB], connections[DB]
