"""Sockets of servers that are gone with all they had are taken out of their rooms."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.operations import About
from channels_workers.routing import Router
from chat import presence, sweep
from chat.models import Departure, Presence, Room
from chat.routing import channel_routing

pytestmark = pytest.mark.django_db


class SharedLayer(InMemoryChannelLayer):
    local_only = False


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    """A layer that knows one server, with a room in which two have sockets."""
    layer = InMemoryChannelLayer()
    populate(layer)
    return layer


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    started: list[Any] = []

    class Timer:
        daemon = False

        def __init__(self, seconds: float, function: Any, arguments: list[Any]) -> None:
            self.seconds = seconds
            self.fire = lambda: function(*arguments)

        def start(self) -> None:
            started.append(self)

    monkeypatch.setattr(sweep.threading, "Timer", Timer)
    # The connection of the test is not that of a timer's thread.
    monkeypatch.setattr(sweep.connections, "close_all", lambda: None)
    return started


def populate(layer: InMemoryChannelLayer) -> None:
    layer.register("living", About.this("server"))
    room = Room.objects.at("lobby")
    for server, person in (("living", "a"), ("gone", "a"), ("gone", "b")):
        channel = f"{server}!{person}"
        room.presences.create(reply_channel=channel, person=person, guest=person)


def present() -> list[str]:
    return list(Presence.objects.order_by("pk").values_list("reply_channel", flat=True))


def test_a_layer_of_one_process_is_swept_at_once(layer: InMemoryChannelLayer) -> None:
    sweep.start(layer)
    assert present() == ["living!a"]
    assert Room.objects.get().revision == 1  # b left; a is still here
    sweep.start(layer)
    assert Room.objects.get().revision == 1


def test_a_shared_layer_is_looked_at_again_after_a_while(timers: list[Any]) -> None:
    layer = SharedLayer()
    populate(layer)
    sweep.start(layer)
    assert len(present()) == 3
    (timer,) = timers
    assert (timer.daemon, timer.seconds) == (True, sweep.GRACE)
    timer.fire()
    assert present() == ["living!a"]


def test_a_server_that_registers_again_keeps_its_sockets(timers: list[Any]) -> None:
    layer = SharedLayer()
    populate(layer)
    sweep.start(layer)
    layer.register("gone", About.this("server"))
    timers[0].fire()
    assert len(present()) == 3


def test_where_all_are_known_nobody_looks_again(timers: list[Any]) -> None:
    layer = SharedLayer()
    populate(layer)
    layer.register("gone", About.this("server"))
    sweep.start(layer)
    assert timers == []


def test_old_departures_are_forgotten(layer: InMemoryChannelLayer) -> None:
    room = Room.objects.get()
    departure = room.departures.create(reply_channel="gone!x", person="x")
    sweep.start(layer)
    assert Departure.objects.filter(pk=departure.pk).exists()
    departure.timestamp -= 2 * presence.REMEMBERED
    departure.save()
    sweep.start(layer)
    assert not Departure.objects.filter(pk=departure.pk).exists()


def test_a_database_that_is_away_is_said_in_the_log(
    layer: InMemoryChannelLayer,
    timers: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(layer: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(sweep, "unknown_servers", fail)
    sweep.start(layer)
    sweep._sweep_if_still_unknown(layer, {"gone"})
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert len(present()) == 3


@pytest.mark.parametrize(
    ("number", "routing", "sweeps"),
    [(0, channel_routing, True), (1, channel_routing, False), (0, [], False)],
)
def test_one_thread_of_a_worker_of_the_chat_sweeps(
    layer: InMemoryChannelLayer, number: int, routing: Any, sweeps: bool
) -> None:
    group = SimpleNamespace(router=Router(routing))
    sweep.on_worker_ready(SimpleNamespace(number=number, group=group, channel_layer=layer))
    assert (len(present()) == 1) is sweeps
