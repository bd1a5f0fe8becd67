"""Work done for threads with slow consumers. test_group.py has more."""

from typing import Any

import pytest

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Finished
from channels_workers.routing import Router
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.consumers import Counted


def test_a_failed_commit_of_one_thread_delays_no_other(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = WorkerGroup(memory_layer, n_threads=2, router=Router({"background": Counted()}))
    commit = memory_layer.commit
    for each in group.workers:
        Channel("background").send({})
        [delivery] = memory_layer.pull(["background"], each.consumer, 0)
        each.batch.finished.append(Finished(delivery))

    def refuse(finished: Finished) -> Any:
        if finished.delivery.consumer == group.workers[0].consumer:
            raise ValueError("nobody foresaw it")
        return commit(finished)

    monkeypatch.setattr(memory_layer, "commit", refuse)
    group.relief.relieve()
    assert [len(each.batch.finished) for each in group.workers] == [1, 0]
