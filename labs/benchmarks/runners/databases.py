"""The database of a run: DATABASE is the path of a file of SQLite, or ``postgres``."""

from __future__ import annotations

import os
from typing import Any


def databases() -> dict[str, Any]:
    """Return DATABASES. libpq reads the address of PostgreSQL from PGHOST and PGPORT."""
    if os.environ["DATABASE"] == "postgres":
        found: dict[str, Any] = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "chat",
            "USER": "chat",
        }
    else:
        found = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["DATABASE"],
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
            },
        }
    return {"default": {**found, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}}
