"""A connection without a socket; it takes the place of an interface server in tests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from weakref import WeakValueDictionary

from channels_workers.layers.codec import Content
from channels_workers.layers.memory.layer import InMemoryChannelLayer
from channels_workers.layers.types import Finished, server_of
from channels_workers.message import Message
from channels_workers.tracing import hooks

#: The messages that make connections known to the layer; none stays there.
_OPENING = "channels_workers.test.opening"


class TestConnection:
    """An open connection of *layer*; it keeps messages of workers until the test asks for them.

    For the layer it is like the connection of a socket: it has a channel session and can be in
    groups. RuntimeError in a running event loop.
    """

    #: pytest takes a class of this name in a module of tests for tests.
    __test__ = False

    def __init__(self, layer: InMemoryChannelLayer) -> None:
        refuse_event_loop()
        self.layer = layer
        self._contents: deque[Content] = deque()
        # This runner, unlike asyncio.run(), leaves the event loop of the thread as it is.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            self.reply_channel = runner.run(self._open())
        for delivery in layer.pull([_OPENING], "test", 0):
            layer.commit(Finished(delivery))
        _connections[self.reply_channel] = self

    async def _open(self) -> str:
        reply_channel = await self.layer.attach(self)
        empty = self.layer.encode({})
        await self.layer.publish(_OPENING, reply_channel, 0, empty, empty)
        return reply_channel

    # What the layer calls

    def deliver(self, content: Content, to_group: bool = False) -> None:
        """Keep a message; the layer gives the same dict to all members of a group.

        Of a response in pieces, take each, as a server with a quick client does. The time at which
        the server would close the socket is no message to its client.
        """
        if content.keys() == {"expires"}:
            return
        kept = deepcopy(content)
        if "run" in kept and "at" in kept:
            del kept["run"]
            taken = kept.pop("at") + len(kept.get("content", b""))
            self.layer.tell(self.reply_channel, self.layer.encode({"taken": taken}))
        self._contents.append(kept)

    def release(self, order: int) -> None:
        """Do nothing: clients of tests do not wait for their messages."""

    def evicted(self) -> None:
        """Do nothing: the layer ends with the test."""

    def end_told(self) -> None:
        """Do nothing: clients of tests do not wait for their ends."""

    def snapshot(self) -> None:
        """Return None: the layer in memory never loses its data."""

    # What tests call

    def next(self) -> Content | None:
        """Take the oldest message that was sent to the reply channel, None if there is none."""
        self.layer.drain()
        return self._contents.popleft() if self._contents else None


@contextmanager
def served_at_once(layer: InMemoryChannelLayer) -> Iterator[None]:
    """Let the connections of *layer* have each message when it is sent."""

    def drain() -> None:
        layer.drain()

    servers = {connection.reply_channel.partition("!")[0] for connection in _connections.values()}
    listeners = layer.store.inbox_listeners
    former = {server: listeners[server] for server in servers if server in listeners}
    listeners.update(dict.fromkeys(former, drain))
    try:
        yield
    finally:
        listeners.update(former)


_connections: WeakValueDictionary[str, TestConnection] = WeakValueDictionary()


def next_message(layer: InMemoryChannelLayer, channel: str) -> Message | None:
    """Take the oldest message of *channel*, a connection's or an ordinary one; None without."""
    connection = _connections.get(channel)
    if connection is not None and connection.layer is layer:
        content = connection.next()
        return None if content is None else Message(content, channel, layer)
    delivery = layer.store.take(channel)
    if delivery is None:
        return None
    # It is committed to nobody, so the message has an id, and no delivery to be saved with.
    content = layer.content(delivery)
    content.pop(hooks.CARRIER, None)
    message = Message(content, channel, layer)
    message.id = delivery.id
    return message


def give_session(layer: InMemoryChannelLayer, channel: str) -> None:
    """Let *channel* have a channel session, as a connection has one.

    ValueError for one of a process, but for those of open connections, as nothing reads it.
    """
    if channel in layer.store.records:
        return
    layer.require_valid_channel_name(channel)
    if server_of(channel) is not None:
        raise ValueError(
            f"{channel!r} is of a process, and of no client here. Give the client the reply "
            "channel of another client, or a name without `!`."
        )
    layer.give_session(channel)


def take_session(layer: InMemoryChannelLayer, channel: str) -> None:
    """End the channel session of *channel*, as the end of a connection does."""
    layer.store.sessions.pop(channel, None)


def refuse_event_loop() -> None:
    """Raise RuntimeError in a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "A client of tests waits for consumers, so it cannot be called in an event loop. Make the "
        "test a `def`, or call the client's methods by sync_to_async()."
    )
