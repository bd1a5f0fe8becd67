"""Which sends are stored, and what is refused."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.exceptions import MessageTooLarge, OnceRefused
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.models import StoredSend
from channels_workers.once import once
from channels_workers.relay import rows
from channels_workers.relay.relay import Relay
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.relay.conftest import OUT, Out, waiting

pytestmark = pytest.mark.django_db(transaction=True)


class Failed(Exception):
    """A consumer has failed."""


def send(text: str = "", **options: Any) -> None:
    Channel(OUT).send({"text": text}, in_transaction="default", **options)


def send_and_undo() -> None:
    with transaction.atomic():
        send("no")
        transaction.set_rollback(True)


def test_a_send_goes_out_after_the_transaction(layer: WorkerLayer, out: Out, relay: Relay) -> None:
    layer.apply([layer.make_join("room", OUT)])
    with transaction.atomic():
        send("channel")
        Group("room").send({"text": "group"}, in_transaction="default")
        assert out() == []
    assert out() == []
    assert relay.look()
    assert out() == ["channel", "group"]
    assert waiting() == 0
    assert relay.look()
    assert out() == []


def test_a_send_of_a_transaction_that_rolled_back_is_gone(out: Out, relay: Relay) -> None:
    send_and_undo()
    with transaction.atomic():
        send("yes")
        send_and_undo()
    relay.look()
    assert out() == ["yes"]


def test_without_a_transaction_it_is_stored_at_once(out: Out, relay: Relay) -> None:
    send("one")
    assert waiting() == 1
    relay.look()
    assert out() == ["one"]


async def test_coroutines(layer: WorkerLayer) -> None:
    await Channel(OUT).asend({"text": 1}, in_transaction="default")
    await Group("room").asend({"text": 1}, in_transaction="default")
    found = [row async for row in StoredSend.objects.order_by("pk").values_list("channel", "layer")]
    assert found == [(OUT, "default"), ("", "default")]


@pytest.mark.parametrize("using", ["other", True, ""])
def test_a_database_that_nobody_relays_is_refused(layer: WorkerLayer, using: Any) -> None:
    for receiver in (Channel(OUT), Group("room")):
        with pytest.raises(ImproperlyConfigured, match=r"\['RELAY'\] is 'default'; add the alias"):
            receiver.send({}, in_transaction=using)


def test_without_relays_it_is_refused(layer: WorkerLayer, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    with pytest.raises(ImproperlyConfigured, match="is empty; add the alias, and restart"):
        send()
    assert waiting() == 0


def test_what_cannot_wait_for_a_transaction_is_refused(layer: WorkerLayer) -> None:
    with pytest.raises(ValueError, match="both immediately=True and in_transaction"):
        send(immediately=True)
    with pytest.raises(ValueError, match="both immediately=True and in_transaction"):
        Group("room").send({}, immediately=True, in_transaction="default")
    with pytest.raises(ValueError, match="delayed send cannot be in_transaction"):
        send(delay=1)
    delayed = {"channel": OUT, "content": {}, "delay": 1000}
    with pytest.raises(ValueError, match="delayed send cannot be in_transaction"):
        Channel("asgi.delay").send(delayed, in_transaction="default")
    assert waiting() == 0


def test_a_layer_that_no_worker_knows_is_refused(layer: WorkerLayer) -> None:
    with pytest.raises(ValueError, match="no layer of CHANNEL_LAYERS"):
        Channel(OUT, channel_layer=InMemoryChannelLayer()).send({}, in_transaction="default")


def test_content_is_checked_at_once(layer: WorkerLayer) -> None:
    with pytest.raises(MessageTooLarge):
        send("x" * 1_000_000)
    with pytest.raises(ValueError, match="only send dicts"):
        Group("room").send("text", in_transaction="default")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Group name"):
        Group("a room").send({}, in_transaction="default")


def test_a_missing_table_is_named(layer: WorkerLayer) -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(StoredSend)
    try:
        with pytest.raises(DatabaseError) as caught:
            send()
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(StoredSend)
    assert "run `manage.py migrate`" in caught.value.__notes__[0]


class TestConsumers:
    """In a consumer a stored send belongs to the transaction, not to the outbox."""

    @pytest.fixture(autouse=True)
    def relayed(self, memory_layer: InMemoryChannelLayer, settings: Settings) -> None:
        settings.CHANNEL_WORKERS = {"RELAY": ["default", "elsewhere"]}
        Channel("work").send({})

    def test_a_consumer_that_raises_after_its_transaction(self, run_next: RunNext) -> None:
        def consumer(message: Any) -> None:
            with transaction.atomic():
                send("stored")
            raise Failed

        run_next(consumer, "work")
        assert waiting() == 1

    def test_once_stores_and_undoes_it(self, run_next: RunNext) -> None:
        @once
        def consumer(message: Any) -> None:
            send("stored")
            send_and_undo()

        run_next(consumer, "work")
        assert waiting() == 1

    def test_once_that_raises_stores_nothing(self, run_next: RunNext) -> None:
        @once
        def consumer(message: Any) -> None:
            send("undone")
            raise Failed

        run_next(consumer, "work")
        assert waiting() == 0

    def test_once_refuses_another_database(self, run_next: RunNext) -> None:
        refused: list[str] = []

        @once
        def consumer(message: Any) -> None:
            with pytest.raises(OnceRefused) as caught:
                Channel(OUT).send({}, in_transaction="elsewhere")
            refused.append(str(caught.value))

        run_next(consumer, "work")
        assert "@once in 'default' stored a send in 'elsewhere'" in refused[0]


class TestReading:
    """How many rows a step takes."""

    def test_a_number_of_rows(self, layer: WorkerLayer) -> None:
        for number in range(rows.AT_ONCE + 1):
            send(str(number))
        found = rows.next_rows("default", "default", ())
        assert len(found) == rows.AT_ONCE
        assert found == sorted(found, key=lambda row: row.pk)

    def test_about_a_megabyte(self, layer: WorkerLayer) -> None:
        for _ in range(3):
            send("x" * 400_000)
        assert len(rows.next_rows("default", "default", ())) == 2

    def test_one_row_always(self, layer: WorkerLayer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rows, "BYTES_AT_ONCE", 1)
        send("x")
        assert len(rows.next_rows("default", "default", ())) == 1

    def test_those_of_a_layer_and_of_no_full_channel(self, layer: WorkerLayer) -> None:
        send("x")
        assert rows.next_rows("default", "other", ()) == []
        assert rows.next_rows("default", "default", {OUT}) == []

    def test_keys_without_rows(self, layer: WorkerLayer) -> None:
        send("x")
        [key] = [row.key.hex for row in rows.next_rows("default", "default", ())]
        gone = "0" * 32
        assert rows.without_row("default", [key, gone, "foreign"]) == [gone, "foreign"]

    def test_a_database_keeps_its_name(self) -> None:
        name = rows.name_of("default", "default")
        assert len(name) == 32
        assert rows.name_of("default", "default") == name
        assert rows.name_of("default", "other") != name


def test_models_have_names(layer: WorkerLayer) -> None:
    send("x")
    rows.name_of("default", "default")
    for name in ("StoredSend", "RelayedDatabase"):
        row = rows.tables.model(name)._base_manager.get()
        assert str(row) == str(row.key)
