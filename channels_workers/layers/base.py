"""The contract of a channel layer that feeds workers.

A layer has four faces:

* Channels 4's channel layer specification (coroutines), so that class-based consumers and
  libraries use it as it is;
* the interface side (asyncio): :meth:`~WorkerLayer.attach`, :meth:`~WorkerLayer.publish`,
  :meth:`~WorkerLayer.close`, :meth:`~WorkerLayer.detach`;
* the worker side (threads, blocking): :meth:`~WorkerLayer.pull`, :meth:`~WorkerLayer.commit`,
  :meth:`~WorkerLayer.requeue`, and :meth:`~WorkerLayer.apply` for code outside consumers;
* cleaning up after processes that died (threads, blocking): :meth:`~WorkerLayer.bury`,
  :meth:`~WorkerLayer.clean_up`, and dead letters.

``tests/channels_workers/layers/contract.py`` is the same contract as tests; each
implementation passes them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from channels.layers import BaseChannelLayer

from channels_workers.exceptions import ChannelFull, LayerUnavailable
from channels_workers.layers.codec import Codec, Content
from channels_workers.layers.operations import (
    About,
    Closed,
    Committed,
    DeadLetter,
    Delivery,
    GroupSend,
    Join,
    Leave,
    Operation,
    Published,
    Pulse,
    Receiver,
    Send,
    Session,
    server_of,
)
from channels_workers.layers.server import ChannelName, Departure, Mailbox, Server

#: The version of keys and formats; processes of another version never read them.
FORMAT_VERSION = 1


class WorkerLayer(BaseChannelLayer):  # type: ignore[misc]
    """The base of the layers: names, limits, encoding, and the Channels 4 face.

    *capacity* bounds the messages in each ordinary channel (``channel_capacity`` maps globs of
    names to other bounds); a send beyond it raises :class:`ChannelFull`. *message_size* is in
    bytes of the encoded message.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "workers"]

    #: As in 1.x: ``except message.channel_layer.ChannelFull``.
    ChannelFull = ChannelFull

    #: Whether all of the layer lives in this process.
    local_only: ClassVar[bool] = False

    def __init__(
        self,
        capacity: int = 10_000,
        channel_capacity: dict[Any, int] | None = None,
        message_size: int = 512 * 1024,
        symmetric_encryption_keys: list[str | bytes] | None = None,
        expiry: int = 60,
        group_expiry: int = 86_400,
    ) -> None:
        # expiry and group_expiry are taken so that a CONFIG made for channels-redis goes on
        # working; nothing expires here.
        super().__init__(capacity=capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self.codec = Codec(message_size, symmetric_encryption_keys)
        self._server: Server | None = None

    # Names

    def require_valid_channel_name(self, name: Any, receive: bool = False) -> bool:
        """Return True, or raise :class:`TypeError` that says what came."""
        try:
            super().require_valid_channel_name(name, receive)
        except TypeError as error:
            raise TypeError(f"{error} Got {name!r}.") from None
        return True

    def require_valid_group_name(self, name: Any) -> bool:
        """Return True, or raise :class:`TypeError` that says what came."""
        try:
            super().require_valid_group_name(name)
        except TypeError as error:
            raise TypeError(f"{error} Got {name!r}.") from None
        return True

    # Encoded operations: what Channel and Group make, inside and outside consumers

    def make_send(self, channel: str, content: Content) -> Send:
        """Return the operation; the name and the content are checked now, not when it runs."""
        self.require_valid_channel_name(channel)
        return Send(channel, self.encode(content))

    def make_group_send(self, group: str, content: Content) -> GroupSend:
        """Return the operation; the name and the content are checked now, not when it runs."""
        self.require_valid_group_name(group)
        return GroupSend(group, self.encode(content))

    def make_join(self, group: str, channel: str) -> Join:
        """Return the operation; the names are checked now, not when it runs."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        return Join(group, channel)

    def make_leave(self, group: str, channel: str) -> Leave:
        """Return the operation; the names are checked now, not when it runs."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        return Leave(group, channel)

    def encode(self, content: Content) -> bytes:
        """Return *content* as bytes; see :meth:`Codec.encode` for the errors."""
        if not isinstance(content, dict):
            raise TypeError(f"A message must be a dict, not {type(content).__name__}: {content!r}")
        return self.codec.encode(content)

    def content(self, delivery: Delivery) -> Content:
        """Return the content of *delivery*, with what the layer itself carries beside it."""
        content = self.codec.decode(delivery.payload)
        if delivery.reply_channel is not None:
            content["reply_channel"] = delivery.reply_channel
            content["order"] = delivery.order
        if delivery.code is not None:
            content["code"] = delivery.code
        return content

    # The Channels 4 face

    async def send(self, channel: str, message: Content) -> None:
        """Send *message* to a channel; :class:`ChannelFull` at its capacity."""
        await self.aapply([self.make_send(channel, message)])

    async def group_send(self, group: str, message: Content) -> None:
        """Send *message* to each channel of the group."""
        await self.aapply([self.make_group_send(group, message)])

    async def group_add(self, group: str, channel: str) -> None:
        """Add *channel* to the group; every later send to the group reaches it."""
        await self.aapply([self.make_join(group, channel)])

    async def group_discard(self, group: str, channel: str) -> None:
        """Remove *channel* from the group."""
        await self.aapply([self.make_leave(group, channel)])

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return the name of a new channel that this process receives.

        It is ``<server id>!<random>``: the place of a message follows from the name, so
        *prefix* has no part in it. The channel ends when nobody holds the name any more.
        """
        channel = await self.attach(Mailbox(self.capacity))
        await self._until_registered()
        return ChannelName.of(channel, self._detach_from_any_thread)

    async def receive(self, channel: str) -> Content:
        """Wait for the next message of *channel*: one of this process, or an ordinary one."""
        self.require_valid_channel_name(channel)
        if server_of(channel) is None:
            return await self._receive_ordinary(channel)
        server = self._server
        receiver = server.receivers.get(channel) if server else None
        if not isinstance(receiver, Mailbox):
            raise ValueError(f"{channel!r} is no channel that new_channel() of this layer made.")
        while server is not None and server is self._server:
            self._make_home(server)
            content = await receiver.receive()
            if content is not None:
                return content
        raise LayerUnavailable(f"The server of {channel!r} is gone.")

    @abstractmethod
    async def flush(self) -> None:
        """Delete everything in the layer: channels, groups, sessions and connections."""

    # The interface side

    async def attach(self, receiver: Receiver) -> str:
        """Return a new reply channel whose messages *receiver* gets; it waits for nothing.

        The first call makes this process a server and begins to read its inbox.
        """
        if self._server is None:
            self._server = Server(self.codec)
            self._register_server(self._server)
        self._make_home(self._server)
        return self._server.attach(receiver)

    def leave_groups(self, reply_channel: str) -> None:
        """Take a channel of this process out of all groups; it cannot join one again."""
        if self._server is not None:
            self._depart(self._server, self._server.leave_groups(reply_channel))

    def detach(self, reply_channel: str) -> None:
        """Forget the receiver of *reply_channel*."""
        if self._server is not None:
            self._depart(self._server, self._server.detach(reply_channel))

    @abstractmethod
    def _register_server(self, server: Server) -> None:
        """Make the layer know a new server, at once or soon."""

    @abstractmethod
    def _make_home(self, server: Server) -> None:
        """Have the inbox read in the running event loop, unless a living one reads it.

        A loop may end before the process does: each ``async_to_sync()`` makes one of its own.
        """

    @abstractmethod
    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        """Tell the layer which groups have no member on *server* any more."""

    @abstractmethod
    def _detach_from_any_thread(self, channel: str) -> None:
        """Call :meth:`detach` in the event loop that reads the inbox."""

    @abstractmethod
    async def _until_registered(self) -> None:
        """Wait until the layer knows this process's server."""

    @abstractmethod
    async def _receive_ordinary(self, channel: str) -> Content:
        """Wait for the next message of a channel that is not of a process."""

    @abstractmethod
    async def publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes = b"",
    ) -> Published:
        """Put the message *order* of a connection into *channel*, once however often called.

        With order 0 it makes the connection's record, which keeps *disconnect_payload* for
        the ``websocket.disconnect`` to come. :class:`ServerGone` if the layer does not know
        this server; RuntimeError if the message before is still under way.
        """

    @abstractmethod
    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection: its ``websocket.disconnect`` follows its last message."""

    @abstractmethod
    async def retire_server(self) -> None:
        """Leave all groups, drop the inbox and the registration of this process's server."""

    # The worker side

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless the layer's server can be used."""

    @abstractmethod
    def register(self, process: str, about: About) -> None:
        """Make *process* known; :class:`LayerUnavailable` if the layer cannot be used."""

    @abstractmethod
    def pulse(self, process: str) -> Pulse:
        """Raise the counter of *process*.

        It may be ``BURIED``, called dead by another, or ``LOST``, with the layer's data: then it
        registers again, a worker under another name.
        """

    @abstractmethod
    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*, whose consumers hold no deliveries any more."""

    @abstractmethod
    def pull(self, channels: Sequence[str], consumer: str, timeout: float) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages; return one at most of each channel."""

    @abstractmethod
    def commit(
        self,
        delivery: Delivery,
        operations: Sequence[Operation] = (),
        session: Session | None = None,
    ) -> Committed:
        """Finish a delivery, in one step, if it still is this consumer's.

        That is: acknowledge it, save the session, carry out the operations and release its
        connection.
        :class:`ChannelFull` (nothing was done) when a channel is at its capacity.
        """

    @abstractmethod
    def requeue(self, delivery: Delivery, *, counted: bool) -> Committed:
        """Hand *delivery* back under the same message id; *counted* raises its attempts."""

    @abstractmethod
    def give_up(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter; its connection goes on without it."""

    # Cleaning up after others

    @abstractmethod
    def processes(self) -> dict[str, int]:
        """Return the pulse counter of each process that is known."""

    @abstractmethod
    def overfull(self) -> dict[str, int]:
        """Return the pulse counter of each server that does not keep up with its inbox."""

    @abstractmethod
    def bury(self, process: str, counter: int) -> bool:
        """Declare *process* dead; False if it has pulsed beyond *counter*, or is not known."""

    @abstractmethod
    def remains(self) -> set[str]:
        """Return the processes that were declared dead, and not cleaned up after yet."""

    @abstractmethod
    def clean_up(self, process: str) -> None:
        """Undo what a dead process left behind.

        What it held goes back to the others, or becomes a dead letter once it was handed out
        ``CHANNEL_WORKERS["DELIVERIES"]`` times; its connections end with 1006, it leaves its
        groups, its inbox goes.
        """

    # Dead letters

    @abstractmethod
    def dead_letters(self) -> list[DeadLetter]:
        """Return the messages that were given up, the oldest first."""

    def retry_dead_letter(self, letter: str) -> bool:
        """Send a dead letter again; False if there is no such one.

        ValueError for a message of a connection, which has gone on without it.
        """
        for found in self.dead_letters():
            if found.id == letter:
                if found.message.reply_channel is not None:
                    raise ValueError(
                        f"Dead letter {letter} is a message of a connection, which has gone on "
                        "without it. It can be dropped."
                    )
                return self._send_dead_letter(found)
        return False

    @abstractmethod
    def _send_dead_letter(self, letter: DeadLetter) -> bool:
        """Send *letter* to the channel that it came from; False if it is not there any more."""

    @abstractmethod
    def drop_dead_letter(self, letter: str) -> bool:
        """Forget a dead letter; False if there is no such one."""

    # Everybody

    @abstractmethod
    def apply(self, operations: Sequence[Operation]) -> None:
        """Carry out *operations* in one step, now; :class:`ChannelFull` if nothing was done."""

    @abstractmethod
    async def aapply(self, operations: Sequence[Operation]) -> None:
        """Do the same as :meth:`apply` from a coroutine."""

    @abstractmethod
    def load_session(self, reply_channel: str) -> bytes | None:
        """Return the saved channel session of a connection."""

    @abstractmethod
    def save_session(self, session: Session) -> None:
        """Save a channel session at once, if the connection lives."""

    @abstractmethod
    def length(self, channel: str) -> int:
        """Return how many messages of an ordinary channel wait or are under way."""

    @abstractmethod
    def members(self, group: str) -> set[str]:
        """Return the server ids and the ordinary channels that are in a group."""
