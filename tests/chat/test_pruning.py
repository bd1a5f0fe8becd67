"""Pruning deletes exactly the rows that are no longer needed."""

import datetime as dt
import io
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone
from pytest_django.fixtures import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from chat import pruning
from chat.expire_presence import PresenceExpiry
from chat.frames import Said
from chat.models import Change, Departure, Message, Room
from chat.paces import Pace
from tests.chat.connection import Connection

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def old_room(label: str) -> Room:
    room = Room.objects.at(label)
    Room.objects.filter(pk=room.pk).update(made=timezone.now() - 2 * DAY)
    return room


def labels() -> list[str]:
    return list(Room.objects.order_by("label").values_list("label", flat=True))


def say(label: str) -> Message:
    return Message.objects.record(label, Said("ann", "hi"), "guest:a")[0]


def test_unused_rooms_are_deleted_after_a_day() -> None:
    old_room("empty").departures.create(reply_channel="a!b", person="guest:a")
    Room.objects.at("young")
    old_room("visited").presences.create(reply_channel="a!c", person="guest:a", guest="guest:a")
    old_room("used")
    say("used")
    old_room("moderated")
    say("moderated")
    Room.objects.filter(label="moderated").update(active=None)
    assert pruning.prune() == 1
    assert labels() == ["moderated", "used", "visited", "young"]


def test_the_period_is_a_setting(settings: Settings) -> None:
    old_room("empty")
    settings.CHAT_EMPTY_ROOM_TIME = 0
    assert pruning.prune() == 0
    settings.CHAT_EMPTY_ROOM_TIME = 3 * 24 * 3600
    assert pruning.prune() == 0
    settings.CHAT_EMPTY_ROOM_TIME = 3600
    assert pruning.prune() == 1


def test_a_visitor_that_just_arrives_keeps_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    room = old_room("empty")
    hold = type(Room.objects).hold

    def come_in_first(manager: Any, label: str) -> Room:
        room.presences.create(reply_channel="a!b", person="guest:a", guest="guest:a")
        return hold(manager, label)

    monkeypatch.setattr(type(Room.objects), "hold", come_in_first)
    assert pruning.prune() == 0
    assert labels() == ["empty"]


def test_a_returning_visitor_recreates_the_room(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    old_room("lobby")
    pruning.prune()
    accept = Connection().connect()[-1]
    assert Connection().decode(accept) == {"accept": True}
    assert labels() == ["lobby"]


def test_temporary_records_are_deleted() -> None:
    now = timezone.now()
    room = Room.objects.at("lobby")
    message = say("lobby")
    for age in (dt.timedelta(minutes=50), dt.timedelta(minutes=70), dt.timedelta(hours=25)):
        room.departures.create(reply_channel=f"a!{age}", person="a", timestamp=now - age)
        message.changes.create(person="a", timestamp=now - age)
        Session.objects.create(session_key=f"{age}", session_data="", expire_date=now + DAY - age)
        Pace.objects.create(key=f"{age}", until=(now + DAY - age).timestamp())
    pruning.prune()
    models = (Departure, Change, Session, Pace)
    assert [model.objects.count() for model in models] == [1, 2, 2, 2]


def test_a_command_prunes_at_once() -> None:
    old_room("empty")
    said = io.StringIO()
    call_command("prunechat", stdout=said)
    assert said.getvalue() == "1 rooms that were never used are deleted.\n"
    assert labels() == []


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    monkeypatch.setattr(pruning, "_next", 0.0)

    def at(moment: float) -> None:
        monkeypatch.setattr(pruning.time, "monotonic", lambda: moment)
        pruning.now_and_then()

    return at


def test_each_process_prunes_every_ten_minutes(at: Callable[[float], None]) -> None:
    at(1000)
    old_room("empty")
    at(1599)
    assert labels() == ["empty"]
    at(1601)
    assert labels() == []


@pytest.mark.usefixtures("at")
def test_presence_expiry_triggers_pruning() -> None:
    old_room("empty")
    PresenceExpiry(InMemoryChannelLayer(), threading.Event()).check()
    assert labels() == []


def test_a_database_outage_is_logged(
    at: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise DatabaseError("away")

    monkeypatch.setattr(pruning, "prune", fail)
    at(1000)
    (record,) = caplog.records
    assert (record.levelno, vars(record)["event"]) == (logging.WARNING, "prune_failed")
