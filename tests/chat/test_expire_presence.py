"""Presence rows of sockets without a disconnect are removed."""

import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connections

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Finished
from channels_workers.routing import Router
from chat import expire_presence, presence
from chat.expire_presence import PresenceExpiry
from chat.models import Presence, Room
from chat.routing import channel_routing
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client, pull_one

pytestmark = pytest.mark.django_db


class SharedLayer(InMemoryChannelLayer):
    local_only = False


class Site:
    """A layer with two connections, their rows, and the row of a third that no longer exists."""

    def __init__(self, layer: InMemoryChannelLayer) -> None:
        self.layer = layer
        self.here, self.there = Client(layer), Client(layer)
        self.room = Room.objects.at("lobby")
        for client, person in ((self.here, "a"), (self.there, "b")):
            client.connect()
            layer.commit(Finished(pull_one(layer)))
            self.add(client.reply_channel, person)
        self.add("0123456789abcdef!gone", "c")
        self.expiry = PresenceExpiry(layer, threading.Event())

    def add(self, channel: str, person: str) -> None:
        self.room.presences.create(reply_channel=channel, person=person, guest=person)

    def leave(self, client: Client) -> None:
        """End a connection with a dead-lettered disconnect, so that its row stays."""
        client.leave()
        self.layer.dead_letter(pull_one(self.layer), "it failed 31 times")

    def revision(self) -> int:
        return Room.objects.get().revision


def present() -> list[str]:
    return list(Presence.objects.order_by("pk").values_list("person", flat=True))


@pytest.fixture
def site() -> Site:
    return Site(SharedLayer())


def test_rows_missing_at_two_checks_are_removed(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.expiry.check()
    assert present() == ["a", "b", "c"]
    site.leave(site.there)
    site.expiry.check()
    assert present() == ["a", "b"]
    site.expiry.check()
    assert present() == ["a"]
    assert site.revision() == 2, "each departure is announced in the room"
    site.expiry.check()
    assert site.revision() == 2
    assert [vars(record)["event"] for record in caplog.records] == ["sockets_swept"] * 2


def test_a_connection_that_is_known_again_stays(site: Site) -> None:
    site.expiry.check()
    record = site.layer.store.records[site.here.reply_channel]
    site.layer.store.records["0123456789abcdef!gone"] = record
    for _ in range(3):
        site.expiry.check()
    assert present() == ["a", "b", "c"]


def test_a_connection_that_left_meanwhile_is_not_announced_again(site: Site) -> None:
    site.expiry.check()
    presence.leave("0123456789abcdef!gone")
    assert site.revision() == 1
    site.expiry.check()
    assert site.revision() == 1


def test_a_layer_of_one_process_is_cleaned_at_once() -> None:
    site = Site(InMemoryChannelLayer())
    site.expiry.check()
    assert present() == ["a", "b"]


def test_a_connection_with_a_queued_disconnect_is_not_a_candidate(site: Site) -> None:
    site.there.leave()
    for _ in range(3):
        site.expiry.check()
    assert present() == ["a", "b"]


def test_rows_are_compared_in_chunks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expire_presence, "ROWS", 2)
    asked: list[int] = []
    connected = site.layer.connected

    def count(channels: Any) -> set[str]:
        asked.append(len(set(channels)))
        return connected(channels)

    monkeypatch.setattr(site.layer, "connected", count)
    for number in range(5):
        site.add(f"0123456789abcdef!{number}", f"ghost {number}")
    site.expiry.check()
    assert asked == [2], "all of the first part live"
    site.expiry.check()
    assert asked == [2, 2, 2, 2], "and none of the others: all of them are looked at"
    site.expiry.check()
    assert present() == ["a", "b"]


def test_a_layer_without_knowledge_removes_nobody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(channels: Any) -> set[str]:
        raise LayerUnavailable("it has lost its data")

    site.expiry.check()
    monkeypatch.setattr(site.layer, "connected", fail)
    with pytest.raises(LayerUnavailable):
        site.expiry.check()
    assert present() == ["a", "b", "c"]


def test_an_outage_is_logged_once_and_expiry_continues(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    checks: list[int] = []

    def check() -> None:
        checks.append(len(checks))
        if len(checks) <= 3:
            raise OperationalError("away")
        if len(checks) == 4:
            raise RuntimeError("a fault of ours")

    monkeypatch.setattr(expire_presence, "PAUSE", 0.01)
    # The test's connection is not the thread's.
    monkeypatch.setattr(connections, "close_all", lambda: None)
    monkeypatch.setattr(site.expiry, "check", check)
    site.expiry.start()
    wait_for(lambda: len(checks) > 5, "more checks")
    site.expiry.stopping.set()
    site.expiry.thread.join(60)
    assert not site.expiry.thread.is_alive()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]


@pytest.mark.parametrize(
    ("number", "routing", "runs"),
    [(0, channel_routing, True), (1, channel_routing, False), (0, [], False)],
)
def test_one_thread_per_chat_worker_expires_presence(
    site: Site, number: int, routing: Any, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[PresenceExpiry] = []

    def start(expiry: PresenceExpiry) -> None:
        started.append(expiry)

    monkeypatch.setattr(PresenceExpiry, "start", start)
    worker = SimpleNamespace(
        number=number,
        router=Router(routing),
        stopping=threading.Event(),
        channel_layer=site.layer,
    )
    expire_presence.on_worker_ready(worker)
    assert bool(started) is runs
    assert all(one.stopping is worker.stopping for one in started)
