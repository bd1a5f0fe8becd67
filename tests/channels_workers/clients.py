"""A test client: does what an interface server does for one socket, on the memory layer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    RESUME,
    Delivery,
    Finished,
)
from channels_workers.outbox import Outbox, Rest, never_ended


def outbox_of(layer: WorkerLayer) -> Outbox:
    """The outbox of a consumer of *layer*."""
    return Outbox(layer, Delivery("background", "token", "consumer", "id", b""))


class Client:
    """One connection of *layer*, which keeps what workers send to it.

    Reading a property reads the layer's inbox first.
    """

    def __init__(self, layer: InMemoryChannelLayer, path: str = "/chat/") -> None:
        self.layer = layer
        self.path = path
        self.order = -1
        self._replies: list[Content] = []
        self._released: list[int] = []
        self.reply_channel = asyncio.run(layer.attach(self))

    # Called by the layer

    def deliver(self, content: Content, to_group: bool = False) -> None:
        self._replies.append(content)

    def release(self, order: int) -> None:
        self._released.append(order)

    def evicted(self) -> None:
        raise AssertionError(f"The layer lost {self.reply_channel}")

    def end_told(self) -> None:
        """Ignore the end."""

    def snapshot(self) -> None:
        return None

    # Called by tests

    @property
    def replies(self) -> list[Content]:
        """Messages sent to the reply channel or to a group of this connection."""
        self.layer.drain()
        return self._replies

    @property
    def released(self) -> list[int]:
        """The order numbers of messages that workers have finished."""
        self.layer.drain()
        return self._released

    def connect(self, **content: Any) -> str:
        """Publish the handshake and return the message id."""
        return self._publish(CONNECT, content)

    def resume(self, **content: Any) -> str:
        """Publish the handshake of another socket of it, and return the message id."""
        return self._publish(RESUME, content)

    def send(self, text: str) -> str:
        """Publish a frame and return the message id."""
        return self._publish(RECEIVE, {"text": text})

    def leave(self, code: int = 1000) -> None:
        """Disconnect."""
        asyncio.run(self.layer.close(self.reply_channel, code))

    def consumer(self, channel: str = CONNECT, rest: Rest = never_ended.wait) -> Outbox:
        """The outbox of the consumer of its connect or disconnect, which runs in the block."""
        self.connect()
        delivery = pull_one(self.layer)
        if channel == DISCONNECT:
            self.layer.commit(Finished(delivery))
            self.leave()
            delivery = pull_one(self.layer)
        return Outbox(self.layer, delivery, rest)

    def _publish(self, channel: str, content: Content) -> str:
        self.order += 1
        encode = self.layer.encode
        payload, last = encode({"path": self.path, **content}), encode({"path": self.path})
        asyncio.run(self.layer.publish(channel, self.reply_channel, self.order, payload, last))
        return f"{self.reply_channel}:{self.order}"


def pull_one(layer: InMemoryChannelLayer, *channels: str) -> Delivery:
    """The one queued delivery of *channels*, by default of the WebSocket channels."""
    names = channels or (CONNECT, RECEIVE, DISCONNECT, RESUME)
    found = layer.pull(names, "worker of the test", 0)
    assert len(found) == 1, f"One message was expected to wait in {names}, not {found}."
    return found[0]


def contents(layer: InMemoryChannelLayer, channel: str) -> list[Content]:
    """The queued messages of an ordinary channel, in order. Removes them."""
    found = []
    while delivery := layer.store.take(channel):
        found.append(layer.content(delivery))
    return found


def request_of(body: bytes = b"") -> Callable[[], Awaitable[dict[str, Any]]]:
    """The `receive` of an HTTP request whose body has arrived and whose client stays."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    events.put_nowait({"type": "http.request", "body": body, "more_body": False})
    return events.get
