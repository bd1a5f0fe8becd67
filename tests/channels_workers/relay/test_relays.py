"""The threads of worker processes that relay."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.models import StoredSend
from channels_workers.relay import relays, rows
from channels_workers.relay.relays import Relays
from channels_workers.routing import Router
from channels_workers.tables import model
from channels_workers.worker import batch, thread
from channels_workers.worker.group import WorkerGroup
from labs.harness.waiting import wait_for
from tests.channels_workers.conftest import MEMORY
from tests.channels_workers.consumers import TIMEOUT, Counted, StartGroup, stop
from tests.channels_workers.relay.conftest import OUT, patiently, waiting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def start(layer: WorkerLayer, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartGroup]:
    """`start(consumer)` starts a worker process of the layer, which ends with the test."""
    for module in (batch, thread):
        monkeypatch.setattr(module, "PULL_TIMEOUT", 0.1)
    groups: list[WorkerGroup] = []

    def start(consumer: Any) -> WorkerGroup:
        groups.append(WorkerGroup(layer, router=Router({OUT: consumer})))
        groups[-1].start()
        return groups[-1]

    yield start
    for group in groups:
        group.stop()
        assert group.join(TIMEOUT)


def send(text: str) -> None:
    def store() -> None:
        with transaction.atomic():
            Channel(OUT).send({"text": text}, in_transaction="default")

    patiently(store)


def test_workers_relay_until_they_stop(start: StartGroup) -> None:
    consumer = Counted()
    groups = [start(consumer) for _ in range(2)]
    for number in range(5):
        send(str(number))
    wait_for(lambda: len(consumer.messages) == 5, "all sends")
    wait_for(lambda: waiting() == 0, "no rows")
    for group in groups:
        stop(group)
        assert not any(thread.is_alive() for thread in group._relays.threads)
    send("later")
    assert waiting() == 1
    start(consumer)
    wait_for(lambda: len(consumer.messages) == 6, "the last send")
    assert sorted(message["text"] for message in consumer.messages) == [*"01234", "later"]


def test_a_nudge_is_faster_than_the_next_look(
    start: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Counted()
    start(consumer)
    send("first")
    wait_for(lambda: len(consumer.messages) == 1, "the first send")
    monkeypatch.setattr(relays, "LOOK_INTERVAL", 1.9)
    send("second")
    wait_for(lambda: len(consumer.messages) == 2, "the second send")


def test_a_relay_goes_on_after_errors(
    start: StartGroup,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors = [LayerUnavailable("away"), OperationalError("away"), ValueError("what")]
    real = rows.next_rows

    def fail(*args: Any) -> Any:
        if errors:
            raise errors.pop()
        return real(*args)

    monkeypatch.setattr(rows, "next_rows", fail)
    consumer = Counted()
    start(consumer)
    send("one")
    wait_for(lambda: len(consumer.messages) == 1, "the send")
    assert "trying_again" in events(caplog)
    wait_for(lambda: "works_again" in events(caplog), "the end of the failures")


def test_a_missing_table_is_logged_once(
    start: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    models = [model("RelayedDatabase"), StoredSend]
    with connection.schema_editor() as editor:
        for each in models:
            editor.delete_model(each)
    try:
        with caplog.at_level(logging.ERROR):
            group = start(Counted())
            [thread] = group._relays.threads
            wait_for(lambda: "table_missing" in events(caplog), "the line")
            duty = thread._duty.__self__  # type: ignore[attr-defined]
            assert duty._failed(OperationalError("no such table")) == relays.LOOK_INTERVAL
            stop(group)
    finally:
        with connection.schema_editor() as editor:
            for each in models:
                editor.create_model(each)
    assert events(caplog).count("table_missing") == 1
    assert "Run `manage.py migrate`." in caplog.text


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "event", "") for record in caplog.records]


def test_which_relays_there_are(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": MEMORY},
        "other": {"BACKEND": MEMORY},
        "foreign": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    }
    assert Relays().threads == []
    settings.CHANNEL_WORKERS = {"RELAY": ["default", "unknown", "default"]}
    names = ["relay of default to default", "relay of default to other"]
    assert [thread.name for thread in Relays().threads] == names
    assert Relays().stop()
