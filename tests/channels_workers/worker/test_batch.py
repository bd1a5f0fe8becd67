"""Batches: the joint commit of messages."""

import threading
from typing import Any

import pytest

from channels_workers.channel import Channel
from channels_workers.exceptions import ChannelFull, LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Delivery, Finished
from channels_workers.routing import Router
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.consumers import TIMEOUT, Counted


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
