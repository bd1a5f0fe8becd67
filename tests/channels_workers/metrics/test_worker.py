"""What a worker process shows beside its runs."""

import time

import pytest
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import ProcessInfo
from channels_workers.worker import watch
from channels_workers.worker.in_flight import InFlight
from channels_workers.worker.reaper import Reaper
from channels_workers.worker.retry_queue import RetryQueue
from labs.harness.waiting import wait_for
from tests.channels_workers.consumers import TIMEOUT, Blocked, Counted, StartGroup, stop
from tests.channels_workers.metrics.conftest import Sample

pytestmark = pytest.mark.django_db


def test_threads(
    memory_layer: InMemoryChannelLayer,
    sample: Sample,
    start_group: StartGroup,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHANNEL_WORKERS = {"SLOW_CONSUMER": 0.01}
    monkeypatch.setattr(watch, "LOOK_INTERVAL", 0.01)
    blocked = Blocked()
    assert sample("worker_threads") is None
    group = start_group({"one": blocked}, n_threads=3)
    assert sample("worker_threads") == 3
    assert sample("worker_threads_busy") == sample("slow_consumers") == 0
    Channel("one").send({})
    assert blocked.begun.wait(TIMEOUT)
    assert sample("worker_threads_busy") == 1
    wait_for(lambda: sample("slow_consumers") == 1, "the watch")
    blocked.let_go.set()
    wait_for(lambda: sample("worker_threads_busy") == 0, "the end of the run")
    wait_for(lambda: sample("slow_consumers") == 0, "the watch")
    stop(group)


def test_messages_that_are_handed_back(layer: WorkerLayer, sample: Sample) -> None:
    ledger = InFlight(1, RetryQueue(lambda found, error: None))
    layer.register("own", ProcessInfo.this("worker", 1, ["one"]))
    for _ in range(2):
        Channel("one").send({})
    ledger.backlog.add(layer.pull(["one"], "own.0", 5, 2))
    ledger.hand_back(layer)
    assert sample("prefetched_returned_total") == 2


def test_a_worker_that_died(layer: WorkerLayer, sample: Sample, start_group: StartGroup) -> None:
    dead = ProcessInfo.this("worker", 1, ["one"])
    layer.register("dead", dead)
    for _ in range(3):
        Channel("one").send({})
    held = layer.pull(["one"], "dead.0", 5, 3)
    assert len(held) == 3
    reaper = Reaper(layer.admin, lambda: "own")
    reaper._mark_dead("dead", layer.admin.processes()["dead"], "is dead: a test says so")
    reaper._clean_up("dead")
    assert sample("processes_declared_dead_total", role="worker") == 1
    assert sample("processes_declared_dead_total", role="server") == 0
    consumer = Counted()
    group = start_group({"one": consumer}, layer)
    wait_for(lambda: len(consumer.messages) == 3, "the messages", TIMEOUT)
    stop(group)
    assert sample("deliveries_handed_over_total", channel="one") == 3


def test_a_message_whose_worker_died_too_often(
    layer: WorkerLayer, sample: Sample, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"DELIVERIES": 1}
    layer.register("dead", ProcessInfo.this("worker", 1, ["one"]))
    Channel("one").send({})
    assert layer.pull(["one"], "dead.0", 5)
    reaper = Reaper(layer.admin, lambda: "own")
    reaper._mark_dead("dead", layer.admin.processes()["dead"], "is dead: a test says so")
    reaper._clean_up("dead")
    assert sample("dead_letters_total", channel="one") == 1


def test_a_dead_process_without_a_word_about_itself(layer: WorkerLayer, sample: Sample) -> None:
    Channel("one").send({})
    assert layer.pull(["one"], "nobody.0", 5)
    Reaper(layer.admin, lambda: "own")._mark_dead("nobody", 0, "is dead: a test says so")
    assert sample("processes_declared_dead_total", role="unknown") == 1


def test_the_wait_of_a_delayed_message_begins_when_it_is_due(
    memory_layer: InMemoryChannelLayer, sample: Sample, start_group: StartGroup
) -> None:
    consumer = Counted()
    began = time.monotonic()
    Channel("one").send({}, delay=0.2)
    start_group({"one": consumer})
    assert consumer.got_one.wait(TIMEOUT)
    in_all = time.monotonic() - began
    waited = sample("queue_wait_seconds_sum", channel="one")
    assert waited is not None
    assert 0 <= waited <= in_all - 0.2 + 0.01  # delays go by another clock


def test_the_wait_of_a_message_that_was_put_back_begins_anew(layer: WorkerLayer) -> None:
    layer.clock.read()
    layer.register("own", ProcessInfo.this("worker", 1, ["one"]))
    Channel("one").send({})
    [before] = layer.pull(["one"], "own.0", 5)
    layer.requeue(before, counted=False)
    [after] = layer.pull(["one"], "own.0", 5)
    now = time.monotonic()
    ages = [layer.clock.age(each.token, now) for each in (before, after)]
    assert after.id == before.id
    assert after.token != before.token
    assert ages[0] is not None
    assert ages[1] is not None
    assert ages[1] <= ages[0]
