"""Shared by the tests of envelopes.

site
    A layer in memory or a real Redis, whose worker runs one message at a time. See `Site`.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Delivery,
    Finished,
    ProcessInfo,
)
from channels_workers.once.decorator import databases
from channels_workers.routing import Router
from channels_workers.worker.commit import finish, put_back
from channels_workers.worker.dispatch import Outcome, dispatch
from channels_workers.worker.event_loop import EventLoop
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.recorder import Recorder

#: The groups with a history.
HISTORY = {"news-*": {"messages": 5}}

CHANNELS = (CONNECT, RECEIVE, DISCONNECT)


class Site:
    """Runs the messages of sockets on *layer*, step by step as a worker does."""

    def __init__(self, layer: WorkerLayer) -> None:
        self.layer = layer
        self.consumers = EventLoop()
        self.server = EventLoop()  # reads the inbox
        self._process = "0123456789abcdef"
        layer.register(self._process, ProcessInfo.this("worker", 1, CHANNELS))

    def pull(self) -> Delivery:
        [found] = self.layer.pull(CHANNELS, f"{self._process}.0", 5)
        return found

    def run(self, delivery: Delivery, consumer: Callable[..., Any]) -> Outcome:
        """Run the consumer, without the commit of the layer."""
        router = Router({delivery.channel: consumer})
        return dispatch(delivery, self.layer, router, self.consumers.run)

    def commit(self, delivery: Delivery, outcome: Outcome) -> None:
        if outcome.is_put_off:
            put_back(delivery, self.layer, outcome.error)
        else:
            finish(Finished(delivery, outcome.operations, outcome.session), self.layer)

    def finish(self, consumer: Callable[..., Any]) -> Outcome:
        """Pull the next message, run it and commit."""
        delivery = self.pull()
        outcome = self.run(delivery, consumer)
        self.commit(delivery, outcome)
        return outcome

    def again(self, delivery: Delivery) -> Delivery:
        """The same message, as another worker gets it."""
        self.layer.requeue(delivery, counted=False)
        return self.pull()

    def connect(self, consumer: Callable[..., Any], **content: Any) -> "Socket":
        """An open socket of *consumer*."""
        socket = Socket(self, consumer)
        socket.publish(CONNECT, {"subprotocols": ["channels-workers.v1"], **content})
        self.finish(consumer)
        socket.wait()
        return socket

    def stop(self) -> None:
        self.consumers.stop()
        if isinstance(self.layer, RedisChannelLayer):
            self.server.run(self.layer.retire_server())
            self.layer.disconnect()
        self.server.stop()


class Socket:
    """One socket of *site*, for whose messages *consumer* runs."""

    def __init__(self, site: Site, consumer: Callable[..., Any], path: str = "/") -> None:
        self.site = site
        self.consumer = consumer
        self.path = path
        self.order = -1
        self.outcome: Outcome | None = None
        self.recorder = site.server.run(_recorder())
        self.name = self.recorder.channel = site.server.run(site.layer.attach(self.recorder))
        self._taken = 0

    def publish(self, channel: str, content: dict[str, Any]) -> None:
        self.order += 1
        encode = self.site.layer.encode
        payload, last = encode({"path": self.path, **content}), encode({"path": self.path})
        published = self.site.layer.publish(channel, self.name, self.order, payload, last)
        self.site.server.run(published)

    def wait(self) -> None:
        """Wait until the last message is finished: what it sent has come before."""
        self.site.server.run(self.recorder.until(lambda: self.order in self.recorder.releases))

    def send(self, frame: Any) -> None:
        """Publish a frame."""
        text = frame if isinstance(frame, str | bytes) else json.dumps(frame)
        self.publish(RECEIVE, {"bytes" if isinstance(frame, bytes) else "text": text})

    def ask(self, frame: Any) -> list[dict[str, Any]]:
        """Send a frame, run it, and return the frames that have come since."""
        self.send(frame)
        self.outcome = self.site.finish(self.consumer)
        self.wait()
        return self.take()

    def contents(self) -> list[dict[str, Any]]:
        """The contents that have come since the last call."""
        found = self.recorder.messages[self._taken :]
        self._taken += len(found)
        return list(found)

    def take(self) -> list[dict[str, Any]]:
        """The frames among them."""
        return [json.loads(each["text"]) for each in self.contents() if "text" in each]

    def until(self, number: int) -> list[dict[str, Any]]:
        """Wait for so many frames."""
        wanted = self._taken + number
        self.site.server.run(self.recorder.until(lambda: len(self.recorder.messages) >= wanted))
        return self.take()


async def _recorder() -> Recorder:
    return Recorder()


@pytest.fixture(autouse=True)
def no_other_consumers() -> Iterator[None]:
    """The system checks do not see the consumers of these tests later."""
    before = set(databases)
    yield
    databases.intersection_update(before)


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    layer: WorkerLayer
    if request.param == "memory":
        layer = InMemoryChannelLayer(history=HISTORY)
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        layer = RedisChannelLayer(hosts=[server.url], history=HISTORY)
    made = Site(layer)
    yield made
    made.stop()
