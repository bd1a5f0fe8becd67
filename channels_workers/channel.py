"""Channels and groups, as consumers and other code use them. The API is that of Channels 1.1.8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels_workers.bad_replies import BYTES, TEXT, note_bad_reply
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.history import Joined, Position
from channels_workers.layers.types import (
    DELAY,
    LONGEST_DELAY,
    REPLY_KEYS,
    GroupSend,
    Send,
    SendLater,
)
from channels_workers.outbox import acarry_out, aresume, carry_out, resume
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer
from channels_workers.relay.rows import astore, store
from channels_workers.unheard import look_for_listeners

__all__ = ["Channel", "Group"]


class _Named:
    """What channels and groups have in common.

    *alias* or *channel_layer* choose a layer other than the default.
    """

    def __init__(
        self,
        name: str | bytes,
        alias: str = DEFAULT_CHANNEL_LAYER,
        channel_layer: WorkerLayer | None = None,
    ) -> None:
        self.name = name.decode("ascii") if isinstance(name, bytes) else name
        self.channel_layer = channel_layer or get_channel_layer(alias)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Channel(_Named):
    """A named channel, to which you can send messages.

    *name*: up to 99 ASCII letters, digits, hyphens, underscores or periods. *alias* names a layer
    in ``CHANNEL_LAYERS``; *channel_layer* is a layer itself. A send to an invalid name raises
    TypeError.
    """

    def send(
        self,
        content: Content,
        immediately: bool = False,
        *,
        delay: float | None = None,
        in_transaction: str | None = None,
    ) -> str | None:
        """Send *content*, a dict, to the channel.

        In a consumer the message goes out after the consumer has returned. With
        ``immediately=True``, and outside consumers, it goes out now. Such a send waits for the
        layer, so await :meth:`asend` in a coroutine.

        With a *delay*, in seconds from 0 to a year, it waits in the layer for so long after it
        went out. The result is then its id, the ``message.id`` of its consumer, for
        :func:`channels_workers.delay.cancel`. Without a delay it is None.

        *in_transaction* is the alias of a database in ``RELAY``. The message is stored there, in
        the current transaction, and a worker sends it after the commit, in order and once. Then
        there is no delay.

        Raises :class:`~channels_workers.exceptions.MessageError` for content that cannot be
        encoded or is too large, and ``ValueError`` for another *delay*. A send that goes out now
        also raises :class:`~channels_workers.exceptions.ChannelFull`.
        """
        operation = self._operation(content, delay)
        if in_transaction is not None:
            store(self.channel_layer, _storable(operation, immediately), in_transaction)
            return None
        carry_out(self.channel_layer, operation, immediately, "Channel.send")
        return _id_of(operation)

    async def asend(
        self,
        content: Content,
        immediately: bool = False,
        *,
        delay: float | None = None,
        in_transaction: str | None = None,
    ) -> str | None:
        """Do the same as :meth:`send` in a coroutine. A consumer may mix both."""
        operation = self._operation(content, delay)
        if in_transaction is not None:
            await astore(self.channel_layer, _storable(operation, immediately), in_transaction)
            return None
        await acarry_out(self.channel_layer, operation, immediately)
        return _id_of(operation)

    def _operation(self, content: Content, delay: float | None) -> Send | SendLater:
        if not isinstance(content, dict):
            raise TypeError(_no_dict(content))
        layer = self.channel_layer
        if (
            REPLY_KEYS.isdisjoint(content)
            or not isinstance(content.get("text"), TEXT)
            or not isinstance(content.get("bytes"), BYTES)
            or "close" in content
        ):
            note_bad_reply(self.name, content)
        operation: Send | SendLater
        if self.name == DELAY:
            operation = layer.make_send_later(*_read_delayed(content, delay))
        elif delay is None:
            operation = layer.make_send(self.name, content)
        else:
            operation = layer.make_send_later(self.name, content, delay)
        if operation.channel not in layer.looked_at and "!" not in operation.channel:
            look_for_listeners(layer, operation.channel)
        return operation


class Group(_Named):
    """A named group of channels, to all of which one send goes.

    *name*, *alias* and *channel_layer*: as for :class:`Channel`. Members stay until you discard
    them or their socket closes; nothing expires.
    """

    def add(self, channel: Channel | str, *, since: Position | str | None = None) -> Joined | None:
        """Add a channel now: every later send to the group reaches it.

        So do the sends of the same consumer, which go out after it has returned. Adding a member
        again changes nothing. In a consumer this waits while the layer is away. It waits for the
        layer, so await :meth:`aadd` in a coroutine.

        If the group has a :doc:`history </how-to/resume>`, the result is a
        :class:`~channels_workers.layers.history.Joined`, else None. With *since*, a position, the
        reply channel first gets the messages after it, in the same step. *since* is a
        ``Position``, its text as a client sent it, or ``OLDEST`` for all that is kept. If messages
        are missing, or the text is no position, ``is_gap`` of the result is true, and nothing is
        replayed. Raises ``ValueError`` for *since* without a history, and for a channel that is
        no reply channel.
        """
        layer, name = self.channel_layer, _name_of(channel)
        if layer.histories is not None or since is not None:
            wanted = layer.make_resume(self.name, name, since)
            if wanted is not None:
                return resume(layer, wanted)
        carry_out(layer, layer.make_join(self.name, name), call="Group.add")
        return None

    async def aadd(
        self, channel: Channel | str, *, since: Position | str | None = None
    ) -> Joined | None:
        """Do the same as :meth:`add`, in a coroutine."""
        layer, name = self.channel_layer, _name_of(channel)
        if layer.histories is not None or since is not None:
            wanted = layer.make_resume(self.name, name, since)
            if wanted is not None:
                return await aresume(layer, wanted)
        await acarry_out(layer, layer.make_join(self.name, name))
        return None

    def discard(self, channel: Channel | str) -> None:
        """Remove a channel now, if it is a member. In a coroutine, await :meth:`adiscard`."""
        layer = self.channel_layer
        carry_out(layer, layer.make_leave(self.name, _name_of(channel)), call="Group.discard")

    async def adiscard(self, channel: Channel | str) -> None:
        """Do the same as :meth:`discard`, in a coroutine."""
        layer = self.channel_layer
        await acarry_out(layer, layer.make_leave(self.name, _name_of(channel)))

    def send(
        self, content: Content, immediately: bool = False, *, in_transaction: str | None = None
    ) -> None:
        """Send *content*, a dict, to each member. It goes out as with :meth:`Channel.send`.

        Members that are ordinary channels at their capacity are skipped, as in 1.x.
        """
        if not isinstance(content, dict):
            raise ValueError(_no_dict(content))
        operation = self.channel_layer.make_group_send(self.name, content)
        if in_transaction is not None:
            store(self.channel_layer, _storable(operation, immediately), in_transaction)
            return
        carry_out(self.channel_layer, operation, immediately, "Group.send")

    async def asend(
        self, content: Content, immediately: bool = False, *, in_transaction: str | None = None
    ) -> None:
        """Do the same as :meth:`send` in a coroutine. A consumer may mix both."""
        if not isinstance(content, dict):
            raise ValueError(_no_dict(content))
        operation = self.channel_layer.make_group_send(self.name, content)
        if in_transaction is not None:
            await astore(self.channel_layer, _storable(operation, immediately), in_transaction)
            return
        await acarry_out(self.channel_layer, operation, immediately)


def _storable(operation: Send | GroupSend | SendLater, immediately: bool) -> Send | GroupSend:
    """Return *operation* if it can be a part of a transaction; ValueError if not."""
    if immediately:
        raise ValueError(
            "A send cannot be both immediately=True and in_transaction=...: it goes out after the "
            "transaction. Leave one of them out."
        )
    if isinstance(operation, SendLater):
        raise ValueError(
            "A delayed send cannot be in_transaction=...: its time would begin when a worker sends "
            "it. Send to a channel in the transaction, and let its consumer send with a delay; or "
            "use a task with run_after, which is part of a transaction by itself."
        )
    return operation


def _name_of(channel: Channel | str) -> str:
    return channel.name if isinstance(channel, Channel) else channel


def _id_of(operation: Send | SendLater) -> str | None:
    return operation.id if isinstance(operation, SendLater) else None


def _read_delayed(message: Mapping[str, Any], delay: float | None) -> tuple[str, Content, float]:
    """Return channel, content and delay (s) of a *message* to ``asgi.delay``, as 1.x has it."""
    keys = ("channel", "content", "delay")
    name, content, milliseconds = (message.get(key, None) for key in keys)
    is_number = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    is_delay = is_number and 0 <= milliseconds <= LONGEST_DELAY * 1000
    is_right = isinstance(name, str) and isinstance(content, dict) and is_delay
    if not is_right or delay is not None:
        raise ValueError(
            f"A message to {DELAY} must have a 'channel' (str), a 'content' (dict) and a 'delay' "
            f"(milliseconds from 0 to {LONGEST_DELAY * 1000:,}), and no delay beside them. Got "
            f"{_shown(name)}, {type(content).__name__} and {milliseconds!r}. Or use "
            "Channel(name).send(content, delay=seconds)."
        )
    return name, content, milliseconds / 1000


def _shown(name: object) -> str:
    return repr(name) if isinstance(name, str) else type(name).__name__


def _no_dict(content: object) -> str:
    return f"You can only send dicts as content on channels, not {type(content).__name__}."
