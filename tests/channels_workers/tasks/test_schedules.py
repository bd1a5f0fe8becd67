"""Schedules: each due time fires once, whoever looks, over restarts and jumps of clocks."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.tasks.api import task_backends
from channels_workers.tasks.backend import TaskBackend
from channels_workers.tasks.firing import Memory, fire_due, next_due
from channels_workers.tasks.models import StoredSchedule, StoredTask
from channels_workers.tasks.schedules import Schedule, read_schedules
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.conftest import BACKEND, Run
from tests.channels_workers.tasks.functions import done

ADD = "tests.channels_workers.tasks.functions.scheduled_add"
DAY = 24 * 3600.0

Look = Callable[[float], None]


def at(text: str, zone: Any = UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


NOON = at("2026-03-04 12:00:00")


def scheduled(settings: Settings, **entry: Any) -> TaskBackend:
    """The backend with one schedule, as a process that has just started sees it."""
    schedule = {"one": {"task": ADD, "args": [1], **entry}}
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": {"SCHEDULE": schedule}}}
    functions.scheduled_add = functions.task(functions.add)
    backend = task_backends["default"]
    assert isinstance(backend, TaskBackend)
    return backend


@pytest.fixture
def look(tasks: InMemoryChannelLayer, settings: Settings) -> Look:
    backend = scheduled(settings, every=60)
    return lambda now: fire_due(backend, now)


# Due times


def test_intervals_count_from_1970() -> None:
    schedule = Schedule("one", ADD, every=60)
    assert schedule.following(NOON) == NOON + 60
    assert schedule.following(NOON - 0.1) == NOON
    assert schedule.includes(NOON)
    assert not schedule.includes(NOON + 1)


def test_cron_is_in_the_time_zone_of_the_settings(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    schedule = Schedule("one", ADD, cron="30 3 * * *")
    expected = at("2026-03-05 03:30:00", ZoneInfo("Asia/Shanghai"))
    assert schedule.following(NOON) == expected
    assert schedule.following(expected) == expected + DAY


@pytest.mark.parametrize("cron", ["30 2 * * *", "0 * * * *", "*/15 1-3 * * *", "0 3 * * 0"])
@pytest.mark.parametrize("day", ["2026-03-28 20:00:00", "2026-10-24 20:00:00"])
def test_due_times_are_known_when_clocks_change(settings: Settings, cron: str, day: str) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    schedule = Schedule("one", ADD, cron=cron)
    moment = at(day)
    for _ in range(30):
        following = schedule.following(moment)
        assert following > moment
        assert schedule.includes(following)
        moment = following


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("x", "a dict with a 'task'"),
        ({}, "a dict with a 'task'"),
        ({"task": ADD}, "either 'cron' or 'every'"),
        ({"task": ADD, "every": 1, "cron": "* * * * *"}, "either 'cron' or 'every'"),
        ({"task": ADD, "every": 0}, "seconds from 1"),
        ({"task": ADD, "every": True}, "seconds from 1"),
        ({"task": ADD, "cron": "x"}, "a cron expression"),
        ({"task": ADD, "cron": 5}, "a cron expression"),
        ({"task": ADD, "cron": "0 0 31 2 *"}, "a cron expression"),
        ({"task": ADD, "every": 1, "missed": "all"}, "'once' or 'skip'"),
        ({"task": ADD, "every": 1, "when": 1}, "unknown key 'when'"),
        ({"task": ADD, "every": 1, "args": "text"}, "must be a list, not 'text'"),
        ({"task": ADD, "every": 1, "kwargs": ["x"]}, "must be a dict of names"),
        ({"task": ADD, "every": 1, "kwargs": {1: 2}}, "must be a dict of names"),
    ],
)
def test_wrong_schedules(entry: Any, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=text):
        read_schedules("default", {"one": entry})
    with pytest.raises(ImproperlyConfigured, match="must be a dict"):
        read_schedules("default", [entry])


@pytest.mark.parametrize(
    ("path", "text"),
    [("missing.module", "No module"), (f"{__name__}.at", "no function with @task")],
)
def test_a_schedule_without_a_task_is_found(settings: Settings, path: str, text: str) -> None:
    backend = scheduled(settings, every=1, task=path)
    (found,) = backend.check()
    assert (found.id, text in found.msg) == ("channels_workers.E021", True)


# Firing


@pytest.mark.django_db(transaction=True)
class TestFiring:
    def test_a_due_time_fires_once(self, look: Look, run: Run) -> None:
        look(NOON + 1)
        look(NOON + 59)
        assert StoredTask.objects.count() == 0
        for _ in range(3):
            look(NOON + 60)
        assert StoredTask.objects.count() == 1
        done.clear()
        run()
        assert done == [1]
        row = StoredSchedule.objects.get()
        assert row.last_at is not None
        assert (row.last_at.timestamp(), row.next_at.timestamp()) == (NOON + 60, NOON + 120)

    def test_the_next_due_time(self, tasks: InMemoryChannelLayer, settings: Settings) -> None:
        assert next_due(scheduled(settings, every=60), NOON) == NOON + 60

    def test_a_process_that_read_before_another_fired_does_nothing(
        self, tasks: InMemoryChannelLayer, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = scheduled(settings, every=60)
        fire_due(backend, NOON)
        following = Schedule.following

        def race(schedule: Schedule, moment: float) -> float:
            monkeypatch.setattr(Schedule, "following", following)
            fire_due(backend, NOON + 60)
            return following(schedule, moment)

        monkeypatch.setattr(Schedule, "following", race)
        fire_due(backend, NOON + 60)
        assert StoredTask.objects.count() == 1

    def test_of_missed_firings_one_happens(self, look: Look) -> None:
        look(NOON)
        look(NOON + DAY)
        assert StoredTask.objects.count() == 1
        look(NOON + DAY + 60)
        assert StoredTask.objects.count() == 2

    def test_missed_firings_are_skipped(
        self, tasks: InMemoryChannelLayer, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        backend = scheduled(settings, every=60, missed="skip")
        for now, number in ((NOON, 0), (NOON + DAY, 0), (NOON + DAY + 90, 1)):
            fire_due(backend, now)
            assert StoredTask.objects.count() == number
        events = [each.__dict__.get("event") for each in caplog.records]
        assert events.count("schedule_missed") == 1

    def test_a_clock_that_was_ahead_delays_nothing(self, look: Look) -> None:
        look(NOON)
        look(NOON + 100 * DAY)  # by a wrong clock
        look(NOON + 30)
        look(NOON + 60)
        assert StoredTask.objects.count() == 1
        look(NOON + 120)
        assert StoredTask.objects.count() == 2

    def test_a_clock_that_is_set_back_repeats_nothing(self, look: Look) -> None:
        for now in (NOON, NOON + 60, NOON + 120, NOON + 30, NOON + 60, NOON + 120):
            look(now)
        assert StoredTask.objects.count() == 2
        look(NOON + 180)
        assert StoredTask.objects.count() == 3

    @pytest.mark.parametrize("use_tz", [False, True])
    @pytest.mark.parametrize("missed", ["once", "skip"])
    def test_no_firing_is_lost_when_summer_time_ends(
        self, tasks: InMemoryChannelLayer, settings: Settings, use_tz: bool, missed: str
    ) -> None:
        settings.USE_TZ = use_tz
        settings.TIME_ZONE = "Europe/Berlin"  # Django sets the zone of the process
        backend = scheduled(settings, every=600, missed=missed)
        midnight = at("2026-10-25 00:00:00")
        for minute in range(-10, 180):
            fire_due(backend, midnight + 60 * minute)
        assert StoredTask.objects.count() == 18

    def test_a_changed_schedule_counts_from_now(
        self, tasks: InMemoryChannelLayer, settings: Settings
    ) -> None:
        fire_due(scheduled(settings, every=60), NOON)
        backend = scheduled(settings, cron="30 15 * * *")
        fire_due(backend, NOON + 70)
        fire_due(backend, NOON + 130)
        assert StoredTask.objects.count() == 0
        fire_due(backend, NOON + 3.5 * 3600)
        assert StoredTask.objects.count() == 1

    def test_a_schedule_that_fails_does_not_delay_others(
        self, tasks: InMemoryChannelLayer, settings: Settings
    ) -> None:
        scheduled(settings, every=60)
        both = {"bad": {"task": "missing.task", "every": 60}, "one": {"task": ADD, "every": 60}}
        both["one"]["args"] = [1]
        settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": {"SCHEDULE": both}}}
        backend = task_backends["default"]
        assert isinstance(backend, TaskBackend)
        fire_due(backend, NOON)
        for _ in range(2):
            with pytest.raises(ImproperlyConfigured, match="missing"):
                fire_due(backend, NOON + 60)
        assert StoredTask.objects.count() == 1

    def test_two_releases_side_by_side_fire_what_is_due_in_each(
        self, tasks: InMemoryChannelLayer, settings: Settings
    ) -> None:
        """Each moves the row to a due time of its own."""
        old = scheduled(settings, cron="*/2 * * * *")
        new = scheduled(settings, cron="1-59/2 * * * *")
        memories: list[Memory] = [{}, {}, {}]
        for second in range(0, 1201, 10):
            for backend, memory in zip([old, old, new], memories, strict=True):
                fire_due(backend, NOON + second, memory)
        # The first look of each stores what is due next.
        assert StoredTask.objects.count() == 20

    def test_a_release_that_was_overtaken_looks_again(
        self, tasks: InMemoryChannelLayer, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = scheduled(settings, every=60)
        new = scheduled(settings, cron="30 15 * * *")
        memory: Memory = {}
        fire_due(old, NOON, memory)
        fire_due(old, NOON + 1, memory)
        fire_due(new, NOON + 2)
        following = Schedule.following

        def race(schedule: Schedule, moment: float) -> float:
            monkeypatch.setattr(Schedule, "following", following)
            StoredSchedule.objects.update(next_due=round((NOON + 7777) * 1e6))
            return following(schedule, moment)

        monkeypatch.setattr(Schedule, "following", race)
        fire_due(old, NOON + 60, memory)
        assert StoredTask.objects.count() == 0
        fire_due(old, NOON + 70, memory)
        fire_due(old, NOON + 80, memory)
        assert StoredTask.objects.count() == 1

    def test_a_fast_clock_skips_nothing_of_slower_ones(
        self, tasks: InMemoryChannelLayer, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        backend = scheduled(settings, every=10, missed="skip")
        right: Memory = {}
        fast: Memory = {}
        for second in range(0, 601, 5):
            fire_due(backend, NOON + second + 90, fast)
            fire_due(backend, NOON + second, right)
        assert StoredTask.objects.count() >= 59
        assert "skips" not in caplog.text
        # The others are gone, and nobody else fires what they have left.
        for second in range(600, 801, 5):
            fire_due(backend, NOON + second + 90, fast)
        assert "skips" in caplog.text
        assert StoredTask.objects.count() >= 70
