"""A client without a socket. The API is that of Channels 1.1.8."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from asgiref.sync import async_to_sync

from channels_workers.channel import Channel, Group
from channels_workers.layers.codec import Content
from channels_workers.layers.memory.layer import InMemoryChannelLayer
from channels_workers.layers.types import (
    DISCONNECT,
    REQUEST,
    REQUEST_DISCONNECT,
    Delivery,
    Finished,
)
from channels_workers.message import Consumer, Message
from channels_workers.registry import DEFAULT_CHANNEL_LAYER
from channels_workers.routing import Router, get_router
from channels_workers.test.connection import (
    TestConnection,
    give_session,
    next_message,
    refuse_event_loop,
    served_at_once,
    take_session,
)
from channels_workers.test.database import connections_left_alone
from channels_workers.test.layers import memory_layer
from channels_workers.tracing import hooks
from channels_workers.worker.commit import dead_letter, finish, put_back
from channels_workers.worker.dispatch import run


class Client:
    """Sends messages as one connection, runs their consumers, and reads the replies.

    The connection opens with the first use, in the layer *alias*. It needs no
    ``websocket.connect``. Consumers run and commit as in a worker, but in the thread of the test
    and in its transaction. Call it in a ``def`` test: in a running event loop it raises
    ``RuntimeError``.
    """

    def __init__(self, alias: str = DEFAULT_CHANNEL_LAYER) -> None:
        self.alias = alias
        self._connection: TestConnection | None = None
        self._name: str | None = None

    @property
    def channel_layer(self) -> InMemoryChannelLayer:
        """The layer. ``ImproperlyConfigured`` unless it is one in memory."""
        return memory_layer(self.alias)

    @property
    def reply_channel(self) -> str:
        """The name of the channel that :meth:`receive` reads. It differs from layer to layer.

        You may set it: to the one of another client, or to an ordinary channel.
        """
        layer = self.channel_layer
        if self._name is not None:
            give_session(layer, self._name)
            return self._name
        if self._connection is None or self._connection.layer is not layer:
            self._connection = TestConnection(layer)
        return self._connection.reply_channel

    @reply_channel.setter
    def reply_channel(self, name: str) -> None:
        self._name = name

    def get_next_message(self, channel: str) -> Message | None:
        """Take the next message that was sent to *channel*, None if there is none."""
        return next_message(self.channel_layer, channel)

    def get_consumer_by_channel(self, channel: str) -> Consumer | None:
        """Return the consumer for a message with an empty text on *channel*."""
        match = get_router().root.match(Message({"text": ""}, channel, self.channel_layer))
        return match.consumer if match else None

    def send(self, to: str, content: Mapping[str, Any] | None = None) -> None:
        """Send *content*, a dict, to the channel *to*, with the ``reply_channel`` of this client.

        Errors are those of :meth:`Channel.send() <channels_workers.channel.Channel.send>`.
        """
        self._send(to, {"reply_channel": self.reply_channel, **(content or {})})

    def _send(self, to: str, content: Content) -> None:
        Channel(to, channel_layer=self.channel_layer).send(content, immediately=True)

    def consume(self, channel: str, fail_on_none: bool = True) -> Any:
        """Run the consumer of the next message on *channel*, and commit what it did.

        Django's views answer an ``http.request`` that no route takes; give it a ``path``.
        Return what the consumer returned (the instance, for a class), and raise what it raised.
        After ``ConsumeLater`` or an exception of ``RETRY_ON`` the message waits again. After
        ``websocket.disconnect`` the channel session is gone. Without a message or a consumer it is
        AssertionError, or None unless *fail_on_none*; MessageError if the channel session cannot be
        saved.
        """
        refuse_event_loop()
        for delivery in self.channel_layer.pull([channel], "test", 0):
            return self._consume(delivery, fail_on_none)
        if fail_on_none:
            raise AssertionError(f"No message for channel {channel}")
        return None

    def _consume(self, delivery: Delivery, fail_on_none: bool) -> Any:
        layer, router = self.channel_layer, get_router()
        content = layer.content(delivery)
        content.pop(hooks.CARRIER, None)
        message = Message(content, delivery.channel, layer, delivery)
        if not _is_meant(router, message):
            layer.commit(Finished(delivery))
            if fail_on_none:
                raise AssertionError(f"Can't find consumer for message {message}")
            return None
        with connections_left_alone(), served_at_once(layer):
            outcome = run(delivery, layer, router, _run_here)
            if outcome.unreadable is not None:
                dead_letter(delivery, layer, str(outcome.unreadable))
            elif outcome.is_put_off:
                put_back(delivery, layer, outcome.error)
            else:
                finish(Finished(delivery, outcome.operations, outcome.session), layer)
                is_end = delivery.channel in (DISCONNECT, REQUEST_DISCONNECT)
                if is_end and message.reply_channel is not None:
                    take_session(layer, message.reply_channel.name)
        if outcome.error is not None:
            raise outcome.error
        return outcome.result

    def send_and_consume(
        self, channel: str, content: Mapping[str, Any] | None = None, fail_on_none: bool = True
    ) -> Any:
        """Send *content* to *channel*, then :meth:`consume` the next message there."""
        self.send(channel, content)
        return self.consume(channel, fail_on_none=fail_on_none)

    def receive(self) -> Any:
        """Take the next message that reached this client; return its content, a dict.

        None if there is none: it does not wait.
        """
        message = self.get_next_message(self.reply_channel)
        return None if message is None else message.content

    def join_group(self, group_name: str) -> None:
        """Add this client to a group."""
        Group(group_name, channel_layer=self.channel_layer).add(self.reply_channel)


def _is_meant(router: Router, message: Message) -> bool:
    """Say whether a test means the consumer that *router* finds for *message*."""
    if message.channel_name == REQUEST:
        router.check_default()
        return True
    if message.channel_name in router.channels_of_apps:
        return True
    # The defaults for WebSockets are no consumers that a test could mean.
    return router.root.match(message) is not None


def _run_here(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run *coroutine* so that what it does in threads is done in this one, as for the ORM."""

    async def run_to_end() -> Any:
        return await coroutine

    return async_to_sync(run_to_end)()
