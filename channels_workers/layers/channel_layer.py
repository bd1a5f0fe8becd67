"""A channel layer as Channels 4 specifies it; the base of the layers that feed workers."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from channels.layers import BaseChannelLayer

from channels_workers.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels_workers.layers.codec import Codec, Content
from channels_workers.layers.history import Joined, Position, make_histories
from channels_workers.layers.mailboxes import ChannelName, Mailbox
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    LONGEST_DELAY,
    Delivery,
    GroupSend,
    Join,
    Leave,
    Operation,
    Resume,
    Send,
    SendLater,
    new_id,
    server_of,
)
from channels_workers.tracing import hooks

#: Names as Channels 4 documents them. Its own patterns also match a trailing line end, and digits
#: and letters beyond ASCII.
is_group_name = re.compile(r"[a-zA-Z0-9._-]{1,99}").fullmatch
is_channel_name = re.compile(r"(?=.{1,99}\Z)[a-zA-Z0-9._-]+(?:![a-zA-Z0-9._-]*)?").fullmatch


class ChannelLayer(BaseChannelLayer):  # type: ignore[misc]
    """A channel layer as Channels 4 specifies it. Both layers of this package are one.

    *capacity* limits the messages in each ordinary channel; a send beyond it raises
    :class:`~channels_workers.exceptions.ChannelFull`. *channel_capacity* maps globs of names to
    other capacities. *message_size* limits the bytes of an encoded message.

    *history* maps globs of group names to limits of what is kept of them: ``messages``, ``bytes``
    and ``seconds``. *history_bytes* limits what is kept of all groups together.
    """

    #: As in 1.x: ``except message.channel_layer.ChannelFull``.
    ChannelFull = ChannelFull
    #: As in 1.x: ``except message.channel_layer.MessageTooLarge``.
    MessageTooLarge = MessageTooLarge

    def __init__(
        self,
        capacity: int = 10_000,
        channel_capacity: dict[Any, int] | None = None,
        message_size: int = 512 * 1024,
        symmetric_encryption_keys: list[str | bytes] | None = None,
        expiry: int = 60,
        group_expiry: int = 86_400,
        history: dict[str, dict[str, Any]] | None = None,
        history_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        # A CONFIG made for channels-redis has expiry and group_expiry. Nothing expires here.
        super().__init__(capacity=capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self.codec = Codec(message_size, symmetric_encryption_keys)
        #: None if no group has a history.
        self.histories = make_histories(history, history_bytes)
        self._server: Server | None = None

    # Names

    def require_valid_channel_name(self, name: Any, receive: bool = False) -> bool:
        """Return True, or raise :class:`TypeError` that shows *name*."""
        if not (isinstance(name, str) and is_channel_name(name)):
            raise TypeError(_wrong_name("Channel", name))
        if receive and "!" in name and not name.endswith("!"):
            raise TypeError(f"Specific channel names in receive() must end at the !. Got {name!r}.")
        return True

    def require_valid_group_name(self, name: Any) -> bool:
        """Return True, or raise :class:`TypeError` that shows *name*."""
        if isinstance(name, str) and is_group_name(name):
            return True
        raise TypeError(_wrong_name("Group", name))

    # Operations, which Channel and Group make

    def make_send(self, channel: str, content: Content) -> Send:
        """Return the operation; it checks name and content now."""
        self.require_valid_channel_name(channel)
        if hooks.active is not None and isinstance(content, dict):
            content = hooks.active.send(channel, content)
        return Send(channel, self.codec.encode(content))

    def make_send_later(self, channel: str, content: Content, delay: float) -> SendLater:
        """Return the operation; it checks name and content now.

        Raises ValueError unless *delay* is a number of seconds from 0 to a year.
        """
        self.require_valid_channel_name(channel)
        if hooks.active is not None and isinstance(content, dict):
            content = hooks.active.send(channel, content)
        return SendLater(channel, self.codec.encode(content), _checked_delay(delay), new_id())

    def make_group_send(self, group: str, content: Content) -> GroupSend:
        """Return the operation; it checks name and content now."""
        name: Any = group
        if not (isinstance(name, str) and is_group_name(name)):
            raise TypeError(_wrong_name("Group", name))
        if hooks.active is not None and isinstance(content, dict):
            content = hooks.active.send(group, content, to_group=True)
        return GroupSend(group, self.codec.encode(content))

    def make_join(self, group: str, channel: str) -> Join:
        """Return the operation; it checks the names now."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        return Join(group, channel)

    def make_resume(
        self, group: str, channel: str, since: Position | str | None = None
    ) -> Resume | None:
        """Return the join of a group with history, None if it has none; it checks the names now.

        Raises ValueError for *since* of a group without history, or for an ordinary channel.
        """
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        limits = self.histories.limits_of(group) if self.histories is not None else None
        if limits is None or "!" not in channel:
            if since is not None:
                raise ValueError(_no_history(group, channel, limits is None))
            return None
        if isinstance(since, str):
            since = Position.parse(since) or since
        return Resume(group, channel, since, limits)

    def make_leave(self, group: str, channel: str) -> Leave:
        """Return the operation; it checks the names now."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        return Leave(group, channel)

    def encode(self, content: Content) -> bytes:
        """Return *content* as bytes; see :meth:`Codec.encode` for the errors."""
        return self.codec.encode(content)

    def content(self, delivery: Delivery) -> Content:
        """Return the content of *delivery*, with its reply channel, order and close code."""
        content = self.codec.decode(delivery.payload)
        if delivery.reply_channel is not None:
            content["reply_channel"] = delivery.reply_channel
            content["order"] = delivery.order
        if delivery.code is not None:
            content["code"] = delivery.code
        return content

    # Operations outside consumers

    @abstractmethod
    def apply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Carry out *operations* in one step, now.

        If *quick*, it waits ``SEND_TIMEOUT`` at most, and then raises
        :class:`~channels_workers.exceptions.LayerUnavailable`.
        Raises :class:`~channels_workers.exceptions.ChannelFull` if nothing was done.
        """

    @abstractmethod
    async def aapply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Do the same as :meth:`apply` from a coroutine."""

    @abstractmethod
    def resume(
        self, wanted: Resume, delivery: Delivery | None = None, quick: bool = False
    ) -> Joined | None:
        """Join a group with history now, and replay what the channel missed, in one step.

        With a *delivery* the result is None, and nothing was done, if its consumer no longer holds
        it. *quick* is as for :meth:`apply`. May be repeated: nothing reaches the channel twice.
        Nothing is replayed into the inbox of a server that has half of ``INBOX_BYTES``; the result
        then is a gap.
        """

    # The methods of Channels 4

    async def send(self, channel: str, message: Content) -> None:
        """Send *message* to a channel.

        Raises :class:`~channels_workers.exceptions.ChannelFull` at the channel's capacity.
        """
        await self.aapply([self.make_send(channel, message)], quick=True)

    async def group_send(self, group: str, message: Content) -> None:
        """Send *message* to each channel of the group."""
        await self.aapply([self.make_group_send(group, message)], quick=True)

    async def group_add(
        self, group: str, channel: str, since: Position | str | None = None
    ) -> Joined | None:
        """Add *channel* to the group; every later send to the group reaches it.

        If the group has a :doc:`history </how-to/resume>`, the result is a
        :class:`~channels_workers.layers.history.Joined`, and *since* is as for
        :meth:`Group.add() <channels_workers.channel.Group.add>`.
        """
        wanted = self.make_resume(group, channel, since)
        if wanted is not None:
            return await asyncio.to_thread(self.resume, wanted, None, True)
        await self.aapply([self.make_join(group, channel)], quick=True)
        return None

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove *channel* from the group."""
        await self.aapply([self.make_leave(group, channel)], quick=True)

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return the name of a new channel that this process receives.

        The name is ``<server id>!<random>``, without *prefix*: it tells where messages go. The
        channel ends when the name is garbage-collected.
        """
        channel = self.start_server().attach_mailbox(Mailbox(self.capacity))
        try:
            await self._until_registered()
        except BaseException:  # no reader will end it
            self._detach_from_any_thread(channel)
            raise
        return ChannelName.of(channel, self._detach_from_any_thread)

    async def receive(self, channel: str) -> Content:
        """Wait for the next message of *channel*: one of this process, or an ordinary channel."""
        self.require_valid_channel_name(channel)
        if server_of(channel) is None:
            return await self._receive_ordinary(channel)
        server = self._server
        mailbox = server.mailboxes.get(channel) if server else None
        if mailbox is None:
            raise ValueError(f"{channel!r} is not a channel of new_channel() of this layer.")
        while server is not None and server is self._server:
            self._make_home(server)
            content = await mailbox.receive()
            if content is not None:
                return content
        raise LayerUnavailable(f"The server of {channel!r} is gone.")

    @abstractmethod
    async def flush(self) -> None:
        """Delete everything in the layer: channels, groups, sessions and connections."""

    # Needed by the methods above

    @abstractmethod
    def start_server(self) -> Server:
        """Return the server of this process; start it if there is none, without waiting."""

    @abstractmethod
    def _make_home(self, server: Server) -> None:
        """Read the inbox in the running event loop, unless another open loop reads it.

        A loop may end before the process: each ``async_to_sync()`` makes its own.
        """

    @abstractmethod
    def _detach_from_any_thread(self, channel: str) -> None:
        """Forget the receiver of *channel*, in the event loop that reads the inbox.

        The garbage collector calls this at any moment, so it takes no lock.
        """

    @abstractmethod
    async def _until_registered(self) -> None:
        """Wait until the server of this process is registered."""

    @abstractmethod
    async def _receive_ordinary(self, channel: str) -> Content:
        """Wait for the next message of an ordinary channel."""


def _checked_delay(delay: Any) -> float:
    """Return *delay*, or raise ValueError."""
    is_number = isinstance(delay, int | float) and not isinstance(delay, bool)
    if not (is_number and 0 <= delay <= LONGEST_DELAY):
        raise ValueError(
            f"A delay must be a number of seconds from 0 to {LONGEST_DELAY:,} (a year), "
            f"not {delay!r}."
        )
    return float(delay)


def _no_history(group: str, channel: str, is_group: bool) -> str:
    if is_group:
        return (
            f"Group {group!r} has no history, so nothing can be replayed since a position. Add a "
            "glob that matches it to `history` in the CONFIG of CHANNEL_LAYERS."
        )
    return (
        f"Messages can be replayed to reply channels only, not to {channel!r}: an ordinary channel "
        "keeps its messages until a worker takes them, so it misses none."
    )


def _wrong_name(kind: str, name: Any) -> str:
    expected = BaseChannelLayer.invalid_name_error.format(kind)
    cure = "For other text, use a hash of it, such as hashlib.sha256(text.encode()).hexdigest()."
    shown = repr(name[:200] + "..." if isinstance(name, str) and len(name) > 200 else name)
    return f"{expected} Got {shown}. {cure if isinstance(name, str) else ''}".rstrip()
