"""Each run of a consumer is counted once, by its outcome."""

import threading
from typing import Any

import pytest

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from tests.channels_workers.consumers import TIMEOUT, StartGroup, stop
from tests.channels_workers.metrics.conftest import Sample

pytestmark = pytest.mark.django_db


def test_runs_are_counted(
    memory_layer: InMemoryChannelLayer, sample: Sample, start_group: StartGroup
) -> None:
    ran = threading.Semaphore(0)

    def count(message: Any) -> None:
        ran.release()

    group = start_group({"one": count})
    for _ in range(7):
        Channel("one").send({})
    for _ in range(7):
        assert ran.acquire(timeout=TIMEOUT)
    stop(group)
    consumer = f"{__name__}.{test_runs_are_counted.__name__}.<locals>.count"
    assert sample("runs_total", consumer=consumer, channel="one", outcome="done") == 7
    assert sample("run_seconds_count", consumer=consumer) == 7
