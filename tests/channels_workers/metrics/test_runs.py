"""Each run of a consumer is counted once, by its outcome, and so is its wait in the channel."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.exceptions import ConsumeLater, DenyConnection
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.logs import name_of
from channels_workers.metrics.instruments import Instruments
from channels_workers.metrics.labels import MOST_VALUES, OTHER
from channels_workers.routing import route
from channels_workers.worker import retries
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client
from tests.channels_workers.consumers import TIMEOUT, StartGroup, stop
from tests.channels_workers.metrics.conftest import Sample

pytestmark = pytest.mark.django_db

MESSAGES = 50


def deny(message: Any) -> None:
    raise DenyConnection


def fail(message: Any) -> None:
    raise ValueError(message)


def lose_database(message: Any) -> None:
    raise OperationalError


def put_off(message: Any) -> None:
    raise ConsumeLater


async def sleep(message: Any) -> None:
    await asyncio.sleep(TIMEOUT)


class Once:
    """A consumer that raises *error* in its first run."""

    def __init__(self, error: Exception) -> None:
        self._errors = [error]
        self.has_run = threading.Event()

    def __call__(self, message: Any) -> None:
        if self._errors:
            raise self._errors.pop()
        self.has_run.set()


#: Its name in the metrics.
ONCE = f"{__name__}.Once"


def ended(sample: Sample, consumer: str, channel: str, outcome: str, count: int = 1) -> None:
    """Wait until so many runs have ended so. No run may end otherwise."""

    def is_counted() -> bool:
        labels = {"consumer": consumer, "channel": channel, "outcome": outcome}
        return sample("runs_total", **labels) == count

    wait_for(is_counted, f"{count} runs of {consumer} that are {outcome}", TIMEOUT)


def test_counts_are_exact(layer: WorkerLayer, sample: Sample, start_group: StartGroup) -> None:
    ran = threading.Semaphore(0)

    def count(message: Any) -> None:
        ran.release()

    group = start_group({"one": count, "two": count}, layer, n_threads=2)
    for _ in range(MESSAGES):
        Channel("one").send({})
        Channel("two").send({})
    for _ in range(2 * MESSAGES):
        assert ran.acquire(timeout=TIMEOUT)
    stop(group)
    name = name_of(count)
    for channel in ("one", "two"):
        ended(sample, name, channel, "done", MESSAGES)
        assert sample("queue_wait_seconds_count", channel=channel) == MESSAGES
        waited = sample("queue_wait_seconds_sum", channel=channel)
        assert waited is not None
        assert 0 <= waited < MESSAGES * TIMEOUT
    assert sample("run_seconds_count", consumer=name) == 2 * MESSAGES
    commits = sample("commit_seconds_count")
    assert commits == sample("commit_messages_count")
    assert commits is not None
    assert 1 <= commits <= 2 * MESSAGES
    assert sample("commit_messages_sum") == 2 * MESSAGES


@pytest.mark.parametrize(
    ("consumer", "outcome"), [(fail, "failed"), (sleep, "timed_out")], ids=["failed", "timed out"]
)
def test_outcomes(
    consumer: Callable[..., Any],
    outcome: str,
    memory_layer: InMemoryChannelLayer,
    sample: Sample,
    start_group: StartGroup,
    settings: Settings,
) -> None:
    settings.CHANNEL_WORKERS = {"CONSUMER_TIMEOUT": 0.1}
    start_group({"one": consumer})
    Channel("one").send({})
    ended(sample, name_of(consumer), "one", outcome)


def test_a_refused_handshake_is_done(
    client_socket: Client, sample: Sample, start_group: StartGroup
) -> None:
    start_group({"websocket.connect": deny})
    client_socket.connect()
    ended(sample, name_of(deny), "websocket.connect", "done")


@pytest.mark.parametrize(("error", "repeats"), [(OperationalError(), 1), (ConsumeLater(), None)])
def test_a_run_that_is_repeated(
    error: Exception,
    repeats: int | None,
    layer: WorkerLayer,
    sample: Sample,
    start_group: StartGroup,
) -> None:
    consumer = Once(error)
    start_group({"one": consumer}, layer)
    Channel("one").send({})
    assert consumer.has_run.wait(TIMEOUT)
    ended(sample, ONCE, "one", "retried")
    ended(sample, ONCE, "one", "done")
    assert sample("retries_total", consumer=ONCE) == repeats
    assert sample("queue_wait_seconds_count", channel="one") == 2
    assert sample("dead_letters_total", channel="one") == 0


@pytest.mark.parametrize("consumer", [lose_database, put_off])
def test_dead_letters(
    consumer: Callable[..., Any],
    layer: WorkerLayer,
    sample: Sample,
    start_group: StartGroup,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHANNEL_WORKERS = {"RETRIES": 1}
    monkeypatch.setattr(retries, "MAX_RETRIES", 1)
    start_group({"one": consumer}, layer)
    Channel("one").send({})
    name = name_of(consumer)
    wait_for(lambda: sample("dead_letters_total", channel="one") == 1, "a dead letter")
    ended(sample, name, "one", "retried")
    ended(sample, name, "one", "dead_lettered")
    wait_for(lambda: sample("dead_letters_kept") == 1, "its count in the layer")


def test_a_handshake_that_fails_too_often_is_no_dead_letter(
    client_socket: Client, sample: Sample, start_group: StartGroup, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 0.001}
    start_group({"websocket.connect": lose_database})
    client_socket.connect()
    ended(sample, name_of(lose_database), "websocket.connect", "failed")
    assert sample("dead_letters_total", channel="websocket.connect") == 0


def test_a_message_without_a_consumer(
    memory_layer: InMemoryChannelLayer, sample: Sample, start_group: StartGroup
) -> None:
    start_group([route("one", fail, kind="^other$")])
    Channel("one").send({"kind": "this"})
    ended(sample, "none", "one", "failed")


def test_names_are_bounded(instruments: Instruments, sample: Sample) -> None:
    for number in range(MOST_VALUES + 50):
        instruments.worker.ran(f"consumer {number}", f"channel {number}", "done", 0.0)
    assert sample("run_seconds_count", consumer=OTHER) == 50
    assert sample("runs_total", consumer=OTHER, channel=OTHER, outcome="done") == 50
