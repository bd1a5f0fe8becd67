"""Nonces on a real PostgreSQL: the same message on two connections, and a frozen worker."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from channels_workers.envelope import EnvelopeConsumer, stream
from channels_workers.models import CommittedMessage
from chat.models import Room
from labs.harness.postgres import Postgres
from tests.channels_workers.consumers import TIMEOUT
from tests.channels_workers.envelope.conftest import Site
from tests.channels_workers.once.test_postgres import InThread
from tests.channels_workers.postgres import DB, database, running_server

FRAME = {"stream": "write", "payload": "a", "nonce": "n"}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_server() as made:
        yield made


@pytest.fixture
def postgres(server: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[Postgres]:
    with django_db_blocker.unblock(), database(server, CommittedMessage, Room):
        yield server


def consumer_of(meet: Any) -> type[EnvelopeConsumer]:
    """A consumer whose handler calls *meet* once it has written.

    Made in a test: the system checks of other tests must not see its database.
    """

    class Meeting(EnvelopeConsumer):
        once = DB

        @stream("write")
        def write(self, label: str) -> None:
            # Two runs share no label: the unique index would stop the second one.
            number = f"{threading.get_ident()}-{rooms()}"
            Room.objects.using(DB).create(name=label, label=f"{label}-{number}")
            meet()

        def nonce_owner(self) -> str:
            return "ann"

    return Meeting


def rooms() -> int:
    return Room.objects.using(DB).count()


def test_the_same_message_on_two_connections_at_once(postgres: Postgres, site: Site) -> None:
    both = threading.Barrier(2, timeout=TIMEOUT)
    consumer = consumer_of(both.wait)
    first, second = site.connect(consumer), site.connect(consumer)
    deliveries = []
    for socket in (first, second):
        socket.take()
        socket.send(FRAME)
        deliveries.append(site.pull())
    runs = [InThread(site, each, consumer) for each in deliveries]  # type: ignore[arg-type]
    outcomes = [each.outcome() for each in runs]
    assert sorted(each.is_put_off for each in outcomes) == [False, True]
    for delivery, outcome in zip(deliveries, outcomes, strict=True):
        site.commit(delivery, outcome)
    site.finish(consumer)  # the one that was put off
    for socket in (first, second):
        socket.wait()
        assert socket.take() == [{"type": "ack", "nonce": "n"}]
    assert rooms() == 1


def test_a_frozen_worker_blocks_nobody(postgres: Postgres, site: Site) -> None:
    begun, thawed, ran = threading.Event(), threading.Event(), []

    def freeze() -> None:
        ran.append(1)
        if len(ran) == 1:
            begun.set()
            assert thawed.wait(TIMEOUT)

    consumer = consumer_of(freeze)
    socket = site.connect(consumer)
    socket.take()
    socket.send(FRAME)
    delivery = site.pull()
    frozen = InThread(site, delivery, consumer)  # type: ignore[arg-type]
    assert begun.wait(TIMEOUT)
    again = site.again(delivery)
    site.commit(again, InThread(site, again, consumer).outcome())  # type: ignore[arg-type]
    socket.wait()
    assert socket.take() == [{"type": "ack", "nonce": "n"}]
    thawed.set()
    site.commit(delivery, frozen.outcome())
    assert (rooms(), len(ran)) == (1, 2)
    assert socket.ask(FRAME) == [{"type": "ack", "nonce": "n"}]
