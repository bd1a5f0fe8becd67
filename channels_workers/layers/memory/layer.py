"""The memory layer: nothing polls; threads wait on a condition, event loops are called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from channels_workers.concurrency.futures import call_in
from channels_workers.exceptions import LayerUnfit
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.memory.store import Store
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.status import Status
from channels_workers.layers.types import (
    CONNECT,
    Closed,
    Committed,
    DeadLetter,
    Delivery,
    GivenUp,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Session,
    new_id,
)


class InMemoryChannelLayer(WorkerLayer):
    """A channel layer inside one process; every message is encoded as for Redis.

    Layers given the same *store* are to each other as processes with the same Redis.
    """

    local_only: ClassVar[bool] = True

    def __init__(self, store: Store | None = None, **config: Any) -> None:
        super().__init__(**config)
        self.store = store or Store()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_cut_off = False  # in a forked child: those who would hear it are in its parent

    def begin_in_child(self) -> None:
        """Begin with an empty store: a copy of the parent's reaches nobody."""
        super().begin_in_child()
        self._is_cut_off = self._is_cut_off or bool(self.store.processes.counters)
        self._loop, self.store = None, Store()

    def __str__(self) -> str:
        return "InMemoryChannelLayer"

    # The Channels 4 face

    async def flush(self) -> None:
        """Delete everything in the store, but for what says which processes and sockets live."""
        self.store.clear(self._server.id if self._server else "")

    async def _receive_ordinary(self, channel: str) -> Content:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        listener = _caller(loop, arrived.set)
        self.store.stream_listeners.add(listener)
        try:
            while True:
                arrived.clear()
                if delivery := self.store.take(channel):
                    return self.codec.decode(delivery.payload)
                await arrived.wait()
        finally:
            self.store.stream_listeners.discard(listener)

    # The interface side

    def _register_server(self, server: Server) -> None:
        self._register(server.id, ProcessInfo.this("server"))

    async def _until_registered(self) -> None:
        pass  # it is, from the start

    def _make_home(self, server: Server) -> None:
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()
            self.store.inbox_listeners[server.id] = _caller(
                self._loop, self.drain, server.wake_mailboxes
            )
            self._loop.call_soon(self.detach_ended)
            self.drain()

    def _home(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def drain(self) -> int:
        """Carry out what waits in the inbox; return the number of entries."""
        server = self._server
        if server is None:
            return 0
        entries = self.store.read_inbox(server.id)
        for entry in entries:
            self._depart(server, server.process(entry))
            if any(operation.kind == "f" for operation in entry.operations):
                self._republish(server)
        server.take_unreadable()
        return len(entries)

    def _republish(self, server: Server) -> None:
        held = {name: receiver.held() for name, receiver in server.receivers.items()}
        for reply, found in {**held, **server.ending}.items():
            if found is not None:
                self.store.republish(reply, found)

    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        for departure in departures:
            self.store.leave(server.id, departure)

    def start_publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        done: Callable[[Published | Exception], object],
    ) -> None:
        """Put a message of a connection into *channel*, once, before this returns."""
        message = (channel, reply_channel, order, payload, disconnect_payload)
        try:
            published: Published | Exception = self.store.publish(*message)
        except Exception as error:  # noqa: BLE001  (it is looked at)
            published = error
        done(published)

    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection."""
        return self.store.close(reply_channel, code)

    async def retire_server(self) -> None:
        """Leave all groups and drop the registration."""
        if self._server is not None:
            self.store.inbox_listeners.pop(self._server.id, None)
            self.store.retire(self._server.id, (), ())
            self._server = self._loop = None

    async def workers(self) -> dict[str, int]:
        """Return the heartbeat counter of each worker that is known and takes sockets."""
        workers = {
            each.id for each in self.store.status().workers if CONNECT in each.about.channels
        }
        counters = self.store.counters()
        return {name: counter for name, counter in counters.items() if name in workers}

    # The worker side

    def _register(self, process: str, about: ProcessInfo) -> None:
        """Make *process* known."""
        self._is_cut_off = False
        self.store.register(process, about)

    def _heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*, and of the server that lives and dies with it."""
        if self._server is not None:
            self.store.heartbeat(self._server.id)
        return self.store.heartbeat(process)

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*, unless one of *consumers* still holds a delivery."""
        self.store.retire(process, consumers, channels)

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages."""
        return self.store.pull(channels, consumer, timeout, count)

    def held(self, channels: Sequence[str], consumers: Sequence[str]) -> list[Delivery]:
        """Return what *consumers* hold."""
        return self.store.held(channels, consumers)

    def commit(
        self,
        delivery: Delivery,
        operations: Sequence[Operation] = (),
        session: Session | None = None,
    ) -> Committed:
        """Finish a delivery in one step."""
        return self.store.commit(delivery, operations, session, self.get_capacity)

    def requeue(self, delivery: Delivery, *, counted: bool, failed: bool = False) -> Committed:
        """Hand *delivery* back."""
        attempts = delivery.attempts + (counted and not failed)
        return self.store.requeue(delivery, attempts, delivery.failures + (counted and failed))

    def dead_letter(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter."""
        return self.store.dead_letter(delivery, reason, self.refusal)

    # Cleaning up after others

    def processes(self) -> dict[str, int]:
        """Return the heartbeat counter of each process that is known."""
        return self.store.counters()

    def lagging(self) -> dict[str, int]:
        """Return the heartbeat counter of each server that does not keep up with its inbox."""
        return self.store.lagging()

    def orphans(self) -> set[str]:
        """Return the processes that hold messages and are not known."""
        return self.store.orphans()

    def mark_dead(self, process: str, counter: int) -> bool:
        """Declare *process* dead."""
        return self.store.mark_dead(process, counter)

    def awaiting_cleanup(self) -> set[str]:
        """Return the dead that were not cleaned up after yet."""
        return self.store.awaiting_cleanup()

    def clean_up(self, process: str) -> list[GivenUp]:
        """Undo what a dead process left behind."""
        return self.store.clean(process, self.refusal)

    # Dead letters

    def dead_letters(self) -> list[DeadLetter]:
        """Return the messages that were given up."""
        return self.store.dead_letters()

    def _send_dead_letter(self, letter: DeadLetter) -> bool:
        return self.store.retry(letter)

    def drop_dead_letter(self, letter: str) -> bool:
        """Forget a dead letter."""
        return self.store.drop_dead_letter(letter)

    # Everybody

    def apply(self, operations: Sequence[Operation]) -> None:
        """Carry out *operations* now."""
        if self._is_cut_off:
            raise LayerUnfit(
                "This process was forked from one that keeps its channel layer in memory: nobody "
                "would hear what it sends. Send from the parent, or use "
                "channels_workers.layers.redis.RedisChannelLayer."
            )
        self.store.apply(operations, new_id(), self.get_capacity)

    async def aapply(self, operations: Sequence[Operation]) -> None:
        """Carry out *operations* now."""
        self.apply(operations)

    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* whose connection has not ended."""
        return self.store.connected(reply_channels)

    def load_session(self, reply_channel: str) -> bytes | None:
        """Return the saved channel session."""
        return self.store.load_session(reply_channel)

    def save_session(self, session: Session) -> None:
        """Save a channel session at once."""
        self.store.save_session(session)

    def status(self) -> Status:
        """Return what goes on; nobody notes since when messages wait."""
        return self.store.status()

    def length(self, channel: str) -> int:
        """Return how many messages wait or are under way."""
        return self.store.length(channel)

    def members(self, group: str) -> set[str]:
        """Return the members of a group."""
        return self.store.members(group)


def _caller(
    loop: asyncio.AbstractEventLoop,
    callback: Callable[[], object],
    without_loop: Callable[[], object] = lambda: None,
) -> Callable[[], None]:
    """Return a function that has *callback* called in *loop*, from any thread.

    Once the loop is closed it calls *without_loop*, in the caller's thread.
    """

    def call() -> None:
        if not call_in(loop, callback):
            without_loop()

    return call
