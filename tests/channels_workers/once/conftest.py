"""Shared by the tests of @once.

trial
    A layer in memory or a real Redis, and what a worker does with its messages. See `Trial`.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished, ProcessInfo
from channels_workers.models import CommittedMessage
from channels_workers.once.decorator import databases
from channels_workers.routing import Router
from channels_workers.worker.commit import finish
from channels_workers.worker.dispatch import Outcome, dispatch
from channels_workers.worker.event_loop import EventLoop
from chat.models import Room
from labs.harness.redis_server import RedisServer

#: What consumers write in these tests, and where they send.
OUT = "out"


class Trial:
    """Runs the messages of the channel `work` on *layer*, step by step as a worker does."""

    def __init__(self, layer: WorkerLayer, loop: EventLoop) -> None:
        self.layer = layer
        self.loop = loop
        self._process = "0123456789abcdef"
        layer.register(self._process, ProcessInfo.this("worker", 1, ["work", OUT]))

    def publish(self, **content: Any) -> None:
        self.layer.apply([self.layer.make_send("work", content)])

    def pull(self, channel: str = "work") -> Delivery:
        [found] = self.layer.pull([channel], f"{self._process}.0", 5)
        return found

    def run(self, delivery: Delivery, consumer: Callable[..., Any]) -> Outcome:
        """Run the consumer, without the commit of the layer."""
        router = Router({delivery.channel: consumer})
        return dispatch(delivery, self.layer, router, self.loop.run)

    def commit(self, delivery: Delivery, outcome: Outcome) -> Committed:
        finished = Finished(delivery, outcome.operations, outcome.session)
        return finish(finished, self.layer)

    def again(self, delivery: Delivery) -> Delivery:
        """The same message, as another worker gets it."""
        assert self.layer.requeue(delivery, counted=False) is Committed.DONE
        return self.pull(delivery.channel)

    def finish(self, consumer: Callable[..., Any]) -> Committed:
        """Pull the next message, run it and commit."""
        delivery = self.pull()
        return self.commit(delivery, self.run(delivery, consumer))

    @property
    def out(self) -> list[Content]:
        """What consumers have sent to `out`. Takes it."""
        found = self.layer.pull([OUT], f"{self._process}.0", 0.01, 100)
        for each in found:
            self.layer.commit(Finished(each))
        return [self.layer.content(each) for each in found]


@pytest.fixture(autouse=True)
def no_other_consumers() -> Iterator[None]:
    """The system checks do not see the consumers of these tests later."""
    before = set(databases)
    yield
    databases.intersection_update(before)


@pytest.fixture(params=["memory", "redis"])
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    layer: WorkerLayer
    if request.param == "memory":
        layer = InMemoryChannelLayer()
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        layer = RedisChannelLayer(hosts=[server.url])
    loop = EventLoop()
    yield Trial(layer, loop)
    loop.stop()
    if isinstance(layer, RedisChannelLayer):
        asyncio.run(layer.retire_server())
        layer.disconnect()


def rows() -> int:
    return CommittedMessage.objects.count()


def rooms() -> list[str]:
    """The labels of the rooms that consumers have written, in order."""
    return list(Room.objects.order_by("pk").values_list("label", flat=True))


def write(label: str) -> None:
    Room.objects.create(name=label, label=label)
