"""Batches: how many messages are pulled at once, and their joint commit."""

import threading
from typing import Any

import pytest

from channels_workers.channel import Channel
from channels_workers.exceptions import ChannelFull, LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Delivery, Finished
from channels_workers.routing import Router
from channels_workers.worker import batch
from channels_workers.worker.batch import Pace
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.consumers import TIMEOUT, Counted


def test_one_message_is_pulled_at_first() -> None:
    assert Pace().count == 1


def test_quick_consumers_get_growing_batches() -> None:
    pace, counts = Pace(), []
    for _ in range(1_000):
        pace.note(0.00001)
        counts.append(pace.count)
    assert counts == sorted(counts)
    assert counts[-1] == batch.BATCH_SIZE


def test_after_a_slow_run_one_message_is_pulled() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00001)
    pace.note(1.0)
    assert pace.count == 1


def test_a_slow_first_run_is_soon_forgotten() -> None:
    """A consumer imports and connects in its first run."""
    pace = Pace()
    pace.note(0.05)
    for _ in range(150):
        pace.note(0.0001)
    assert pace.count > 1


def test_a_later_slow_run_is_remembered() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.0001)
    pace.note(0.05)
    for _ in range(150):
        pace.note(0.0001)
    assert pace.count == 1


def test_a_wait_for_the_layer_counts_as_a_part_of_a_run() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00051, waited=0.0005)
    assert pace.count == 3


def test_a_late_answer_of_the_layer_leaves_batches_as_they_are() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00011, waited=0.0001)
    count = pace.count
    pace.note(1.00001, waited=1.0)
    assert pace.count > count * 0.8
    for _ in range(100):
        pace.note(0.00011, waited=0.0001)
    assert pace.count == count


def test_joins_that_wait_at_once_count_no_time_twice() -> None:
    """Coroutines of one consumer may wait together for longer than it runs."""
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.0001, waited=0.0002)
    assert pace.count == 9


def test_a_layer_that_becomes_slow_ends_batches() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.note(0.00001)
    for _ in range(200):
        pace.note(0.00501, waited=0.005)
    assert pace.count == 1


def test_finished_messages_are_committed_in_one_request(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [worker] = WorkerGroup(memory_layer, router=Router({"background": Counted()})).workers
    for _ in range(3):
        Channel("background").send({})
    found = memory_layer.pull(["background"], worker.consumer, 0, 3)
    together, commit_all = [], memory_layer.commit_all

    def note(finished: Any) -> Any:
        together.append(len(finished))
        return commit_all(finished)

    monkeypatch.setattr(memory_layer, "commit_all", note)
    worker.batch.finished.extend(map(Finished, found))
    worker.batch.commit()
    assert together == [3]
    assert worker.batch.finished == []
    assert memory_layer.length("background") == 0


@pytest.mark.parametrize("error", [LayerUnavailable("away"), RuntimeError("unforeseen")])
def test_commits_that_failed_together_are_tried_again_one_by_one(
    error: Exception, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [worker] = WorkerGroup(memory_layer, router=Router({"background": Counted()})).workers
    for _ in range(2):
        Channel("background").send({})
    found = memory_layer.pull(["background"], worker.consumer, 0, 2)

    def fail(finished: Any) -> Any:
        raise error

    monkeypatch.setattr(memory_layer, "commit_all", fail)
    worker.batch.finished.extend(map(Finished, found))
    worker.batch.commit()
    assert worker.batch.finished == []
    assert memory_layer.length("background") == 0


def test_a_batch_committed_by_another_thread_is_not_committed_again(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other thread may commit just before this one takes the lock."""
    [worker] = WorkerGroup(memory_layer, router=Router({"background": Counted()})).workers
    Channel("background").send({})
    [delivery] = memory_layer.pull(["background"], worker.consumer, 0)
    asked = []
    commit_and_pull = memory_layer.commit_and_pull

    def note(finished: Any, *arguments: Any) -> Any:
        asked.append(len(finished))
        return commit_and_pull(finished, *arguments)

    monkeypatch.setattr(memory_layer, "commit_and_pull", note)
    worker.batch.finished.append(Finished(delivery))
    with worker.batch.lock:
        pulling = threading.Thread(target=worker.batch.commit_and_pull, args=([], 1))
        pulling.start()
        worker.batch.finished.clear()
    pulling.join(TIMEOUT)
    assert 0 not in asked


def test_messages_pulled_with_a_failed_commit_go_to_the_backlog(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit may be retried for long, and other threads can run those messages."""
    group = WorkerGroup(memory_layer, n_threads=2, router=Router({"background": Counted()}))
    [worker, _] = group.workers
    for _ in range(2):
        Channel("background").send({})
    [delivery] = memory_layer.pull(["background"], worker.consumer, 0)
    worker.batch.finished.append(Finished(delivery))
    commit, held = memory_layer.commit, list[Delivery]()

    def note(*arguments: Any) -> Any:
        held.extend(group.in_flight.backlog.all())
        return commit(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(memory_layer, "_try_commit", lambda finished: ChannelFull("other", 0))
        broken.setattr(memory_layer, "commit", note)
        assert worker.batch.commit_and_pull(["background"], 1) == []
    assert [each.channel for each in held] == ["background"]
    assert worker.batch.finished == []
