"""Sockets of which no disconnect will come are taken out of their rooms."""

import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connections

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.routing import Router
from chat import presence, sweep
from chat.models import Presence, Room
from chat.routing import channel_routing
from chat.sweep import Sweeper
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client, pull_one

pytestmark = pytest.mark.django_db


class SharedLayer(InMemoryChannelLayer):
    local_only = False


class Site:
    """A layer with two connections, and their rows and that of a third that is no more."""

    def __init__(self, layer: InMemoryChannelLayer) -> None:
        self.layer = layer
        self.here, self.there = Client(layer), Client(layer)
        self.room = Room.objects.at("lobby")
        for client, person in ((self.here, "a"), (self.there, "b")):
            client.connect()
            layer.commit(pull_one(layer))
            self.add(client.reply_channel, person)
        self.add("0123456789abcdef!gone", "c")
        self.sweeper = Sweeper(layer, threading.Event())

    def add(self, channel: str, person: str) -> None:
        self.room.presences.create(reply_channel=channel, person=person, guest=person)

    def leave(self, client: Client) -> None:
        """End a connection whose disconnect is given up, so that its row stays."""
        client.leave()
        self.layer.dead_letter(pull_one(self.layer), "it failed 31 times")

    def revision(self) -> int:
        return Room.objects.get().revision


def present() -> list[str]:
    return list(Presence.objects.order_by("pk").values_list("person", flat=True))


@pytest.fixture
def site() -> Site:
    return Site(SharedLayer())


def test_what_is_gone_at_two_looks_is_taken_out(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.sweeper.look()
    assert present() == ["a", "b", "c"]
    site.leave(site.there)
    site.sweeper.look()
    assert present() == ["a", "b"]
    site.sweeper.look()
    assert present() == ["a"]
    assert site.revision() == 2, "each departure is told to the room"
    site.sweeper.look()
    assert site.revision() == 2
    assert [vars(record)["event"] for record in caplog.records] == ["sockets_swept"] * 2


def test_one_that_is_known_again_stays(site: Site) -> None:
    site.sweeper.look()
    record = site.layer.store.connections.records[site.here.reply_channel]
    site.layer.store.connections.records["0123456789abcdef!gone"] = record
    for _ in range(3):
        site.sweeper.look()
    assert present() == ["a", "b", "c"]


def test_one_that_has_left_meanwhile_is_not_told_again(site: Site) -> None:
    site.sweeper.look()
    presence.leave("0123456789abcdef!gone")
    assert site.revision() == 1
    site.sweeper.look()
    assert site.revision() == 1


def test_a_layer_of_one_process_is_swept_at_once() -> None:
    site = Site(InMemoryChannelLayer())
    site.sweeper.look()
    assert present() == ["a", "b"]


def test_a_connection_whose_disconnect_waits_is_no_suspect(site: Site) -> None:
    site.there.leave()
    for _ in range(3):
        site.sweeper.look()
    assert present() == ["a", "b"]


def test_rows_are_compared_in_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "ROWS", 2)
    asked: list[int] = []
    connected = site.layer.connected

    def count(channels: Any) -> set[str]:
        asked.append(len(set(channels)))
        return connected(channels)

    monkeypatch.setattr(site.layer, "connected", count)
    for number in range(5):
        site.add(f"0123456789abcdef!{number}", f"ghost {number}")
    site.sweeper.look()
    assert asked == [2], "all of the first part live"
    site.sweeper.look()
    assert asked == [2, 2, 2, 2], "and none of the others: all of them are looked at"
    site.sweeper.look()
    assert present() == ["a", "b"]


def test_a_layer_that_does_not_know_takes_nobody_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(channels: Any) -> set[str]:
        raise LayerUnavailable("it has lost its data")

    site.sweeper.look()
    monkeypatch.setattr(site.layer, "connected", fail)
    with pytest.raises(LayerUnavailable):
        site.sweeper.look()
    assert present() == ["a", "b", "c"]


def test_an_outage_is_said_once_and_the_sweeper_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(len(looks))
        if len(looks) <= 3:
            raise OperationalError("away")
        if len(looks) == 4:
            raise RuntimeError("a fault of ours")

    monkeypatch.setattr(sweep, "PAUSE", 0.01)
    # The connection of the test is not that of the thread.
    monkeypatch.setattr(connections, "close_all", lambda: None)
    monkeypatch.setattr(site.sweeper, "look", look)
    site.sweeper.start()
    wait_for(lambda: len(looks) > 5, "more looks")
    site.sweeper.stopping.set()
    site.sweeper.thread.join(20)
    assert not site.sweeper.thread.is_alive()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]


@pytest.mark.parametrize(
    ("number", "routing", "sweeps"),
    [(0, channel_routing, True), (1, channel_routing, False), (0, [], False)],
)
def test_one_thread_of_a_worker_of_the_chat_sweeps(
    site: Site, number: int, routing: Any, sweeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sweeper] = []

    def start(sweeper: Sweeper) -> None:
        started.append(sweeper)

    monkeypatch.setattr(Sweeper, "start", start)
    worker = SimpleNamespace(
        number=number,
        router=Router(routing),
        stopping=threading.Event(),
        channel_layer=site.layer,
    )
    sweep.on_worker_ready(worker)
    assert bool(started) is sweeps
    assert all(one.stopping is worker.stopping for one in started)
