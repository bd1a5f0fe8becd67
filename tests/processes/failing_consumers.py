"""Consumers that fail, one for each path. Exceptions have the text of a frame."""

from typing import Any

from channels_workers import route, route_class
from channels_workers.generic.websockets import WebsocketConsumer
from channels_workers.message import Message
from channels_workers.once import once
from tests.channels_workers.tasks.functions import task


def accept(message: Message) -> None:
    """Let everybody in."""
    message.reply_channel.send({"accept": True})


def plain(message: Message) -> None:
    """Fail."""
    raise ValueError(message["text"])


async def asynchronous(message: Message) -> None:
    """Fail in the event loop."""
    raise ValueError(message["text"])


@once
def once_only(message: Message) -> None:
    """Fail in a transaction."""
    raise ValueError(message["text"])


class Classy(WebsocketConsumer):
    """Fails in a method."""

    def receive(self, text: str | None = None, **kwargs: Any) -> None:
        """Fail."""
        raise ValueError(text)


def _fail(text: str) -> None:
    raise ValueError(text)


async def _afail(text: str) -> None:
    raise ValueError(text)


fail, afail = task(_fail), task(_afail)


def enqueue(message: Message) -> None:
    """Let a task fail."""
    fail.enqueue(message["text"])


def aenqueue(message: Message) -> None:
    """Let a task fail in the event loop."""
    afail.enqueue(message["text"])


PATHS = {
    "/plain/": plain,
    "/asynchronous/": asynchronous,
    "/once/": once_only,
    "/task/": enqueue,
    "/atask/": aenqueue,
}

channel_routing = [
    route_class(Classy, path="^/class/$"),
    route("websocket.connect", accept),
    *(route("websocket.receive", consumer, path=f"^{path}$") for path, consumer in PATHS.items()),
]
