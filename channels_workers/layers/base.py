"""The contract of a channel layer that feeds workers.

A layer has four faces:

* Channels 4's channel layer specification (coroutines), so that class-based consumers and
  libraries use it as it is: :class:`~channels_workers.layers.channel_layer.ChannelLayer`;
* the interface side (asyncio): :meth:`~WorkerLayer.attach`, :meth:`~WorkerLayer.publish`,
  :meth:`~WorkerLayer.close`, :meth:`~WorkerLayer.detach`;
* the worker side (threads, blocking): :meth:`~WorkerLayer.pull`, :meth:`~WorkerLayer.commit`,
  :meth:`~WorkerLayer.requeue`, and :meth:`~WorkerLayer.apply` for code outside consumers;
* cleaning up after processes that died (threads, blocking):
  :class:`~channels_workers.layers.upkeep.Upkeep`.

``tests/channels_workers/layers/contract.py`` is the same contract as tests; each
implementation passes them.
"""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from channels_workers.concurrency import forks
from channels_workers.concurrency.futures import call_in, settle
from channels_workers.layers.channel_layer import ChannelLayer
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.types import (
    REFUSAL,
    Closed,
    Committed,
    Delivery,
    Finished,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Receiver,
    Session,
)
from channels_workers.layers.upkeep import Upkeep

__all__ = ["FORMAT_VERSION", "WorkerLayer"]

#: The version of keys and formats; processes of another version never read them.
FORMAT_VERSION = 1

#: How many of its former names a worker process tells others.
FORMER_NAMES = 100


class WorkerLayer(ChannelLayer, Upkeep):
    """A channel layer that feeds workers: interface side, worker side, and cleaning up.

    Its options are those of :class:`~channels_workers.layers.channel_layer.ChannelLayer`.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "workers"]

    #: Whether all of the layer lives in this process.
    local_only: ClassVar[bool] = False

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._former: deque[str] = deque(maxlen=FORMER_NAMES)
        self._lock = threading.Lock()
        self._ended_channels: deque[str] = deque()
        forks.renew_in_child(self)

    def begin_in_child(self) -> None:
        """Share nothing with the parent of this forked child: it is another process."""
        self._former = deque(maxlen=FORMER_NAMES)
        self._lock = threading.Lock()
        self._ended_channels = deque()
        self._server = None

    # The interface side

    def start_server(self) -> Server:
        """Make this process a server that reads its inbox, unless it is one; it waits for nothing.

        To be called in the event loop of its sockets.
        """
        with self._lock:  # views in threads make channels, too, each in a loop of its own
            if self._server is None:
                server = Server(self.codec)
                self._register_server(server)
                self._server = server
            server = self._server
        self._make_home(server)
        return server

    async def first_attempt(self) -> None:
        """Wait until the layer knows this process's server, or was asked once in vain.

        Then it raises what is wrong; it is tried again all the same.
        """

    async def attach(self, receiver: Receiver) -> str:
        """Return a new reply channel whose messages *receiver* gets; it waits for nothing."""
        return self.start_server().attach(receiver)

    def leave_groups(self, reply_channel: str) -> None:
        """Take a channel of this process out of all groups; it cannot join one again."""
        if self._server is not None:
            self._depart(self._server, self._server.leave_groups(reply_channel))

    def detach(self, reply_channel: str) -> None:
        """Forget the receiver of *reply_channel*."""
        if self._server is not None:
            self._depart(self._server, self._server.detach(reply_channel))

    def _detach_from_any_thread(self, channel: str) -> None:
        self._ended_channels.append(channel)
        if (loop := self._home()) is not None:
            call_in(loop, self.detach_ended)

    def detach_ended(self) -> None:
        """Forget the channels that nobody holds any more; in the loop that reads the inbox.

        One may end when that loop has ended, too: it is forgotten when the next loop begins.
        """
        while self._ended_channels:
            self.detach(self._ended_channels.popleft())

    @abstractmethod
    def _home(self) -> asyncio.AbstractEventLoop | None:
        """Return the event loop that reads the inbox, if one does."""

    @abstractmethod
    def _register_server(self, server: Server) -> None:
        """Make the layer know a new server, at once or soon."""

    @abstractmethod
    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        """Tell the layer which groups have no member on *server* any more."""

    @abstractmethod
    def start_publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        done: Callable[[Published | Exception], object],
    ) -> None:
        """Put the message *order* of a connection into *channel*, once however often called.

        With order 0 it makes the connection's record, which keeps *disconnect_payload* for
        the ``websocket.disconnect`` to come. *done* is called once with what the layer found, in
        the event loop, perhaps before this returns: with :class:`ServerEvicted` if the layer does
        not know this server, RuntimeError if the message before is still under way,
        :class:`LayerUnavailable` if the server leaves the layer meanwhile; raises the latter if it
        has left.
        """

    async def publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes = b"",
    ) -> Published:
        """Do the same as :meth:`start_publish`, and wait for it; raise what is wrong.

        To cancel it ends the waiting alone.
        """
        reply: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        message = (channel, reply_channel, order, payload, disconnect_payload)
        self.start_publish(*message, partial(settle, reply))
        return await reply

    @abstractmethod
    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection: its ``websocket.disconnect`` follows its last message."""

    @abstractmethod
    async def retire_server(self) -> None:
        """Leave all groups, drop the inbox and the registration of this process's server."""

    def inbox_waits(self) -> float:
        """Return for how long the inbox of this process has not been read to its end (s).

        A living one is below 3 s, unless more comes than the process can carry out.
        """
        return 0.0

    @abstractmethod
    async def workers(self) -> dict[str, int]:
        """Return the heartbeat counter of each worker that is known and takes sockets.

        Raises :class:`LayerUnavailable` if the layer cannot say; it repeats nothing by itself.
        """

    # The worker side

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless the layer's server can be used."""

    def register(self, process: str, about: ProcessInfo) -> None:
        """Make *process* known; :class:`LayerUnavailable` if the layer cannot be used.

        A worker may still hold messages under names that it had before; those are told, too.
        """
        self._register(process, about._replace(previous_ids=tuple(self._former)))

    @abstractmethod
    def _register(self, process: str, about: ProcessInfo) -> None:
        """Make *process* known."""

    def heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*.

        It may be ``EVICTED``, called dead by another, or ``LOST``, with the layer's data: then it
        registers again, a worker under another name.
        """
        heartbeat = self._heartbeat(process)
        if heartbeat is not Liveness.ALIVE and process not in self._former:
            self._former.append(process)
        return heartbeat

    @abstractmethod
    def _heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*."""

    @abstractmethod
    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*; nothing is done to it if one of its *consumers* still holds a delivery.

        It then stays known until it is called dead, and what it holds goes to others.
        """

    @abstractmethod
    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages; return *count* at most of each channel."""

    @abstractmethod
    def held(self, channels: Sequence[str], consumers: Sequence[str]) -> list[Delivery]:
        """Return what *consumers* were handed of *channels* and have not finished."""

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

    def commit_and_pull(
        self,
        finished: Sequence[Finished],
        channels: Sequence[str],
        timeout: float,
        count: int,
    ) -> tuple[list[Committed | Exception], list[Delivery]]:
        """Do :meth:`commit` for each, then :meth:`pull` for their consumer, if that is fit.

        Return what each commit returns or raises, and what was pulled. Raises
        :class:`LayerUnavailable` if it is not known which of them are done.
        """
        done = [self._try_commit(each) for each in finished]
        return done, self.pull(channels, finished[0].delivery.consumer, timeout, count)

    def _try_commit(self, finished: Finished) -> Committed | Exception:
        try:
            return self.commit(*finished)
        except Exception as error:  # noqa: BLE001  (whoever asked looks at it)
            return error

    @abstractmethod
    def requeue(self, delivery: Delivery, *, counted: bool, failed: bool = False) -> Committed:
        """Hand *delivery* back under the same message id.

        *counted* raises its attempts, or, if it *failed*, its failures.
        """

    @abstractmethod
    def dead_letter(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter; its connection goes on without it.

        A handshake that it was, and that nobody has answered, is refused.
        """

    @property
    def refusal(self) -> bytes:
        """What refuses a handshake that nobody has answered; an open socket does nothing."""
        return self.codec.encode(REFUSAL)

    # Everybody

    @abstractmethod
    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* whose connection has not ended.

        It has once its ``websocket.disconnect`` is finished, or given up. The cost is that of a
        look-up for each, 1,000 of a server in a request. Raises :class:`LayerUnavailable` while it
        is not known, as after a loss of the layer's data.
        """

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
