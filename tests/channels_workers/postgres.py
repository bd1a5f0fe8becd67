"""A real PostgreSQL as one of the databases of Django, with the alias `DB`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connections
from django.db.models import Model

from labs.harness.postgres import Postgres

DB = "postgres"


@contextmanager
def running_server() -> Iterator[Postgres]:
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
def database(server: Postgres, *models: type[Model]) -> Iterator[None]:
    """The database of the server, with the tables of these models. Database access is allowed."""
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
    connections[DB].close()
    del connections.settings[DB], connections[DB]
