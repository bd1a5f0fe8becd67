"""Stored sends in a real PostgreSQL: transactions at once, and connections that are lost."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction
from pytest_django import DjangoDbBlocker, Settings

from channels_workers.channel import Channel
from channels_workers.layers.base import WorkerLayer
from channels_workers.models import RelayedDatabase, StoredSend
from channels_workers.relay import rows
from channels_workers.relay.relay import Relay
from labs.harness.postgres import Postgres
from tests.channels_workers.consumers import TIMEOUT
from tests.channels_workers.postgres import DB, database, running_server
from tests.channels_workers.relay.conftest import OUT, Out


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_server() as made:
        yield made


@pytest.fixture
def relay(
    server: Postgres,
    layer: WorkerLayer,
    settings: Settings,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Relay]:
    settings.CHANNEL_WORKERS = {"RELAY": [DB]}
    with django_db_blocker.unblock(), database(server, StoredSend, RelayedDatabase):
        yield Relay(DB, layer, "default")


def send(text: str) -> None:
    Channel(OUT).send({"text": text}, in_transaction=DB)


class Writer:
    """A transaction in a thread of its own, which sends, and commits when it is told to."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sent, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._sent.wait(TIMEOUT)

    def _run(self) -> None:
        with transaction.atomic(DB):
            send(self._text)
            self._sent.set()
            assert self._go.wait(TIMEOUT)
        connections[DB].close()

    def commit(self) -> None:
        self._go.set()
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()


def test_a_transaction_that_commits_after_a_later_one(relay: Relay, out: Out) -> None:
    first = Writer("first")
    send("second")
    assert relay.look()
    assert out() == ["second"]
    first.commit()
    assert relay.look()
    assert out() == ["first"]
    assert not StoredSend.objects.using(DB).exists()


def test_sends_before_an_error_of_the_database_are_gone(relay: Relay, out: Out) -> None:
    def fail() -> None:
        with transaction.atomic(DB):
            send("no")
            StoredSend.objects.using(DB).create(key=StoredSend.objects.using(DB).get().key)

    with pytest.raises(IntegrityError):
        fail()
    relay.look()
    assert out() == []


def cut() -> None:
    """End the connection of this thread."""
    with connections[DB].cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("step", ["next_rows", "delete"])
def test_a_lost_connection_repeats_nothing(
    step: str, relay: Relay, out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = getattr(rows, step)

    def lose(*args: Any) -> Any:
        cut()
        return real(*args)

    send("one")
    with monkeypatch.context() as patch:
        patch.setattr(rows, step, lose)
        with pytest.raises((OperationalError, DatabaseError)):
            relay.look()
    connections[DB].close()
    assert relay.look()
    assert out() == ["one"]
    assert not StoredSend.objects.using(DB).exists()
