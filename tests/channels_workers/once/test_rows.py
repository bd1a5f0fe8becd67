import uuid
from typing import Any

import pytest
from django.db import OperationalError, connections
from pytest_django import DjangoDbBlocker

from channels_workers.once.rows import find, key_of
from channels_workers.tables import migrate_command
from labs.harness.ports import free_port


def test_keys_are_regular_uuids() -> None:
    """MariaDB refuses others."""
    for number in range(100):
        key = key_of(f"{number}", 1)
        assert (key.variant, key.version) == (uuid.RFC_4122, 4)


def test_each_call_in_a_run_has_its_key() -> None:
    keys = [key_of("id", 1), key_of("id", 2), key_of("ID", 1), key_of("id.1", 1)]
    assert len(set(keys)) == 4
    assert key_of("id", 2) == key_of("id", 2)


def test_the_command_names_the_database() -> None:
    assert migrate_command("default") == "manage.py migrate"
    assert migrate_command("other") == "manage.py migrate --database=other"


def test_a_database_that_is_away_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> None:
    """Each attempt to connect may take as long as its time-out."""
    options = {
        **connections.configure_settings({})["default"],
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "away",
        "HOST": "127.0.0.1",
        "PORT": free_port(),
    }
    monkeypatch.setitem(connections.settings, "away", options)
    away, attempts = connections["away"], []
    connect = away.get_new_connection

    def count(params: dict[str, Any]) -> Any:
        attempts.append(params)
        return connect(params)

    monkeypatch.setattr(away, "get_new_connection", count)
    with django_db_blocker.unblock(), pytest.raises(OperationalError):
        find(away, key_of("id", 1))
    del connections["away"]
    assert len(attempts) == 1
