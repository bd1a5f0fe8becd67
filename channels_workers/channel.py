"""Channels and groups, as consumers and other code use them; source: Channels 1.1.8."""

from __future__ import annotations

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import GroupSend, Send
from channels_workers.outbox import acarry_out, carry_out
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer

__all__ = ["Channel", "Group"]


class Named:
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


class Channel(Named):
    """A named channel, to which you can send messages.

    *name*: up to 99 ASCII letters, digits, hyphens, underscores or periods. *alias* names a layer
    in ``CHANNEL_LAYERS``; *channel_layer* is a layer itself. A send to an invalid name raises
    TypeError.
    """

    def send(self, content: Content, immediately: bool = False) -> None:
        """Send *content*, a dict, over the channel.

        In a consumer it goes out when the consumer has returned; ``immediately=True`` sends
        it now, as does code outside consumers. What cannot be encoded, or is too large, raises
        :class:`~channels_workers.exceptions.MessageError` here;
        :class:`~channels_workers.exceptions.ChannelFull` comes from a send that happens now.

        A send that happens now waits for the layer: in a coroutine await :meth:`asend`.
        """
        carry_out(self.channel_layer, self._send(content), immediately, "Channel.send")

    async def asend(self, content: Content, immediately: bool = False) -> None:
        """Do the same as :meth:`send`, from a coroutine; both keep one order in a consumer."""
        await acarry_out(self.channel_layer, self._send(content), immediately)

    def _send(self, content: Content) -> Send:
        if not isinstance(content, dict):
            raise TypeError(
                f"You can only send dicts as content on channels, not {type(content).__name__}."
            )
        return self.channel_layer.make_send(self.name, content)


class Group(Named):
    """A named group of channels, to all of which one send goes.

    *name*, *alias* and *channel_layer*: as for :class:`Channel`. Members stay until you discard
    them or their socket closes; nothing expires.
    """

    def add(self, channel: Channel | str) -> None:
        """Add a channel (in a consumer: when it has returned); again changes nothing."""
        layer = self.channel_layer
        carry_out(layer, layer.make_join(self.name, _name_of(channel)), call="Group.add")

    async def aadd(self, channel: Channel | str) -> None:
        """Do the same as :meth:`add`, from a coroutine."""
        layer = self.channel_layer
        await acarry_out(layer, layer.make_join(self.name, _name_of(channel)))

    def discard(self, channel: Channel | str) -> None:
        """Remove a channel (in a consumer: when it has returned), if it is a member."""
        layer = self.channel_layer
        carry_out(layer, layer.make_leave(self.name, _name_of(channel)), call="Group.discard")

    async def adiscard(self, channel: Channel | str) -> None:
        """Do the same as :meth:`discard`, from a coroutine."""
        layer = self.channel_layer
        await acarry_out(layer, layer.make_leave(self.name, _name_of(channel)))

    def send(self, content: Content, immediately: bool = False) -> None:
        """Send *content*, a dict, to each member; when it goes out: as :meth:`Channel.send`.

        A member that is an ordinary channel at its capacity is passed over, as in 1.x.
        """
        carry_out(self.channel_layer, self._send(content), immediately, "Group.send")

    async def asend(self, content: Content, immediately: bool = False) -> None:
        """Do the same as :meth:`send`, from a coroutine; both keep one order in a consumer."""
        await acarry_out(self.channel_layer, self._send(content), immediately)

    def _send(self, content: Content) -> GroupSend:
        if not isinstance(content, dict):
            raise ValueError(
                f"You can only send dicts as content on channels, not {type(content).__name__}."
            )
        return self.channel_layer.make_group_send(self.name, content)


def _name_of(channel: Channel | str) -> str:
    return channel.name if isinstance(channel, Channel) else channel
