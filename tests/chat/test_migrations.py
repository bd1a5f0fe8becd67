"""Stored data survives the migrations."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(name: str) -> Apps:
    """Migrate the chat to this migration, and return the models of that state."""
    executor = MigrationExecutor(connection)
    [target] = [
        key for key in executor.loader.graph.nodes if key[0] == "chat" and key[1].startswith(name)
    ]
    return executor.migrate([target]).apps


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apps]:
    """The models of the first migration, in a database without conditional indexes, like MySQL."""
    monkeypatch.setattr(connection.features, "supports_partial_indexes", False)
    yield migrate("0001")
    # The other tests need all migrations.
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("chat"))


def test_the_first_of_repeated_nonces_is_kept(first: Apps) -> None:
    room = first.get_model("chat", "Room").objects.create(label="lobby", name="lobby")
    message: Any = first.get_model("chat", "Message")
    for person, nonce in (("a", "n1"), ("a", "n1"), ("b", "n1"), ("a", None), ("a", None)):
        message.objects.create(room=room, person=person, nonce=nonce, message="hi")
    after: Any = migrate("0002").get_model("chat", "Message")
    stored = after.objects.order_by("id").values_list("person", "nonce")
    assert list(stored) == [("a", "n1"), ("a", None), ("b", "n1"), ("a", None), ("a", None)]
    with pytest.raises(IntegrityError):
        after.objects.create(room_id=room.pk, person="a", nonce="n1", message="hi")


def test_existing_rooms_date_from_the_migration(first: Apps) -> None:
    before = timezone.now() - dt.timedelta(seconds=1)
    old: Any = migrate("0003").get_model("chat", "Room")
    old.objects.create(label="lobby", name="lobby")
    room: Any = migrate("0004").get_model("chat", "Room")
    assert room.objects.get().made >= before
    # A release that does not know the column keeps running during this deployment.
    with connection.cursor() as cursor:
        query = "INSERT INTO chat_room (label, name, change, revision) VALUES ('b', 'b', 0, 0)"
        cursor.execute(query)
    assert room.objects.get(label="b").made >= before.replace(microsecond=0)
