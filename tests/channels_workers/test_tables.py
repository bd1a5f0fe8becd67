import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from channels_workers import tables
from channels_workers.models import StoredSend


def test_a_project_without_the_app() -> None:
    with pytest.raises(ImproperlyConfigured, match="Add it to INSTALLED_APPS"):
        tables.model("Elsewhere")


@pytest.mark.django_db
def test_a_database_with_the_table() -> None:
    assert tables.has_table("default", StoredSend)


@pytest.mark.django_db
def test_a_database_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise DatabaseError("away")

    monkeypatch.setattr(connection.introspection, "table_names", fail)
    assert tables.has_table("default", StoredSend)
