"""Settings of the room that stores each message. ROWS is the way, DATABASE_URL the database."""

import os

from chat_project import environment
from labs.benchmarks.rooms.workers.settings import *  # noqa: F403
from labs.benchmarks.rooms.workers.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "labs.benchmarks.rooms.rows"]
CHANNEL_ROUTING = f"labs.benchmarks.rooms.rows.routing.{os.environ['ROWS']}"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": environment.database("DATABASE_URL", "")}
DATABASES["default"]["CONN_MAX_AGE"] = None
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # As the chat has them, but without waits for the disk, as PostgreSQL has here.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
