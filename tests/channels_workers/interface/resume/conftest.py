"""Two interface servers of one layer in memory, and workers."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from channels_workers.interface.application import Interface
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.interface.resume.clients import TIMEOUT, Consumers


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30}


@pytest.fixture
async def consumers() -> Consumers:
    return Consumers()


@pytest.fixture
def layer(limits: None) -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


@pytest.fixture
def workers(layer: InMemoryChannelLayer, consumers: Consumers) -> Iterator[WorkerGroup]:
    group = WorkerGroup(layer, n_threads=3, router=consumers.router())
    group.start()
    yield group
    consumers.go_on.set()
    group.stop()
    assert group.join(TIMEOUT)


async def no_pages(*scope: object) -> None:
    """Serve no HTTP."""


def interface(layer: InMemoryChannelLayer) -> Interface:
    return Interface(no_pages, lambda: layer)


@pytest.fixture
def application(layer: InMemoryChannelLayer) -> Interface:
    return interface(layer)


@pytest.fixture
def other(layer: InMemoryChannelLayer) -> Interface:
    """Another server of the same layer."""
    return interface(InMemoryChannelLayer(store=layer.store))
