"""Which rows of @once are deleted, and which must stay."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.models import CommittedMessage
from channels_workers.once import once, sweeper
from channels_workers.once.sweeper import Sweeper
from labs.harness.waiting import wait_for
from tests.channels_workers.consumers import StartGroup, stop

pytestmark = pytest.mark.django_db

HOUR = 3600.0


def add(count: int, age: float = 0.0) -> None:
    """Add rows; *age* is in seconds."""
    at = timezone.now() - dt.timedelta(seconds=age)
    made = [CommittedMessage(key=uuid.uuid4(), effects=b"", at=at) for _ in range(count)]
    CommittedMessage.objects.bulk_create(made)


def left() -> int:
    return CommittedMessage.objects.count()


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


@pytest.fixture
def looks(layer: InMemoryChannelLayer) -> Callable[[float], None]:
    return Sweeper("default", layer).look


def test_old_rows_go_after_they_were_known_for_a_while(looks: Callable[[float], None]) -> None:
    add(3, age=HOUR + 60)
    add(2)
    looks(0)
    looks(sweeper.KNOWN_FOR_AGE - 1)
    assert left() == 5, "workers may just have come back, and need them"
    add(1, age=HOUR + 60)  # by the clock of another machine
    looks(sweeper.KNOWN_FOR_AGE)
    assert left() == 3
    looks(2 * sweeper.KNOWN_FOR_AGE)
    assert left() == 2


def test_an_outage_of_the_layer_begins_the_time_again(
    looks: Callable[[float], None], layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable() -> None:
        raise LayerUnavailable("away")

    add(1, age=HOUR + 60)
    looks(0)
    with monkeypatch.context() as patch:
        patch.setattr(layer, "check_server", unavailable)
        with pytest.raises(LayerUnavailable):
            looks(100)
    looks(200)
    looks(sweeper.KNOWN_FOR_AGE + 100)
    assert left() == 1, "messages of that time wait for their second run"
    looks(sweeper.KNOWN_FOR_AGE + 200)
    assert left() == 0


def test_the_oldest_beyond_the_number_go(
    looks: Callable[[float], None], settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"ONCE_ROWS": 4}
    add(10)
    looks(0)
    looks(sweeper.KNOWN_FOR_NUMBER - 1)
    assert left() == 10
    add(3)
    looks(sweeper.KNOWN_FOR_NUMBER)
    assert left() == 4
    add(10)
    looks(sweeper.KNOWN_FOR_NUMBER + 1)
    assert left() == 13, "only one was known for a minute"


def test_many_rows_go_in_batches(
    looks: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    monkeypatch.setattr(sweeper, "AT_ONCE", 10)
    add(25, age=HOUR + 60)
    looks(0)
    with django_assert_num_queries(1 + 3 * 2):  # the newest, and reads and deletions
        looks(sweeper.KNOWN_FOR_AGE)
    assert left() == 0


def test_an_empty_table(looks: Callable[[float], None]) -> None:
    looks(0)
    looks(sweeper.KNOWN_FOR_AGE)


def test_it_remembers_few_looks(layer: InMemoryChannelLayer) -> None:
    one = Sweeper("default", layer)
    for minute in range(1000):
        one.look(60.0 * minute)
    assert len(one._newest) <= 7


@pytest.mark.django_db(transaction=True)
def test_a_worker_sweeps_from_its_first_row_to_its_end(
    layer: InMemoryChannelLayer, start_group: StartGroup, settings: Settings
) -> None:
    add(3)
    settings.CHANNEL_WORKERS = {"ONCE_ROWS": 1}
    group = start_group({"work": once(lambda message: None)}, layer)
    assert "default" not in alive()
    layer.apply([layer.make_send("work", {})])
    wait_for(lambda: "default" in alive(), "the sweeper")
    stop(group)
    wait_for(lambda: "default" not in alive(), "its end")


def alive() -> list[str]:
    threads = sweeper._sweepers.threads
    return [using for using, thread in threads.items() if thread.is_alive()]


def test_a_failing_sweeper_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Any] = [OperationalError("away"), OperationalError("away"), None]
    waits: list[float] = []

    def look(now: float) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    def rest(seconds: float) -> bool:
        waits.append(seconds)
        return not answers

    sweeper._run(look, "default", rest)
    assert [one.__dict__["event"] for one in caplog.records] == ["trying_again", "works_again"]
    assert waits[0] == 0
    assert max(waits[1:3]) < 1 < waits[3]
