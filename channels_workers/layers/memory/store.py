"""The data of a memory layer: what Redis and its scripts are to the other layer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from channels_workers.layers.memory.connections import Connections
from channels_workers.layers.memory.deliveries import Deliveries
from channels_workers.layers.memory.groups import Groups
from channels_workers.layers.memory.inboxes import Inboxes
from channels_workers.layers.memory.letters import Letters
from channels_workers.layers.memory.outbox import Outbox
from channels_workers.layers.memory.processes import Processes
from channels_workers.layers.memory.status import read_status
from channels_workers.layers.memory.streams import Streams
from channels_workers.layers.server import Departure
from channels_workers.layers.status import Status
from channels_workers.layers.types import (
    Closed,
    Committed,
    DeadLetter,
    Delivery,
    GivenUp,
    Held,
    InboxEntry,
    InboxOperation,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Session,
)


class Store:
    """All the data of a memory layer, behind one lock; several layers may share it.

    Each public method is one atomic step, as each script of the Redis layer is: it takes the lock
    first, and its parts, which have none, are used in here alone. Only tests look into them.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        #: Called, by server id, when an inbox got an entry; they must not block.
        self.inbox_listeners: dict[str, Callable[[], None]] = {}
        #: Called when any channel got a message; they must not block.
        self.stream_listeners: set[Callable[[], None]] = set()
        self._last_token = 0
        self.processes = Processes()
        self.inboxes = Inboxes(self._next_token)
        self.streams = Streams(self._next_token, self._message_arrived)
        self.connections = Connections(self.processes, self.streams)
        self.groups = Groups()
        self.clear()

    def clear(self, own: str = "") -> None:
        """Delete everything but what is of the living; the server *own* leaves its groups."""
        with self.changed:
            self.streams = Streams(self._next_token, self._message_arrived)
            self.connections.streams = self.streams
            self.groups.keep(self.processes.counters.keys() - {own})
            self.outbox = Outbox(
                self.processes, self.inboxes, self.groups, self.streams, self.inbox_listeners
            )
            self.letters = Letters(self._next_token, self.streams, self.connections, self.outbox)
            self.deliveries = Deliveries(self.streams, self.connections, self.outbox, self.letters)
            for server, _ in self.processes.of_kind("server"):
                self.inboxes.add(server, [InboxOperation("f", own, b"")])
                self.inbox_listeners.get(server, lambda: None)()

    def _next_token(self) -> str:
        """Return a token larger than all before."""
        self._last_token += 1
        return f"{self._last_token:020d}"

    def _message_arrived(self) -> None:
        self.changed.notify_all()
        for listener in tuple(self.stream_listeners):
            listener()

    # Processes

    def register(self, process: str, about: ProcessInfo) -> None:
        """Make *process* known; see ``register.lua``."""
        with self.changed:
            self.processes.register(process, about)

    def counters(self) -> dict[str, int]:
        """Return the counter of each process."""
        with self.changed:
            return dict(self.processes.counters)

    def heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*; see ``heartbeat.lua``."""
        with self.changed:
            return self.processes.heartbeat(process)

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """Forget *process*, unless *consumers* hold something; see ``retire.lua``."""
        with self.changed:
            held = self.streams.held()
            if not any(one.consumer in consumers and one.channel in channels for one in held):
                self._forget(process)

    def lagging(self) -> dict[str, int]:
        """Return the counter of each server that does not keep up; see ``lagging.lua``."""
        with self.changed:
            counters = self.processes.counters
            return {
                server: counters[server] for server in self.inboxes.lagging() if server in counters
            }

    def orphans(self) -> set[str]:
        """Return the processes that hold messages and are not known; see ``orphans.lua``."""
        with self.changed:
            return set(filter(self.processes.is_unknown, self.streams.holders()))

    def mark_dead(self, process: str, counter: int) -> bool:
        """Declare *process* dead; see ``mark_dead.lua``."""
        with self.changed:
            return self.processes.mark_dead(process, counter)

    def awaiting_cleanup(self) -> set[str]:
        """Return the dead that were not cleaned up after yet."""
        with self.changed:
            return set(self.processes.awaiting_cleanup)

    def clean(self, process: str, refusal: bytes) -> list[GivenUp]:
        """Undo what a dead process left behind; see ``clean_up.lua``."""
        with self.changed:
            if process not in self.processes.awaiting_cleanup:
                return []
            given_up = self.deliveries.hand_on(self.processes.names_of(process), refusal)
            for reply in self.connections.of(process):
                self.connections.close(reply, 1006)
            self._forget(process)
            self.processes.awaiting_cleanup.discard(process)
            return given_up

    def _forget(self, process: str) -> None:
        self.groups.leave_all(process)
        self.inboxes.take(process)
        self.processes.forget(process)

    # Connections

    def publish(
        self, channel: str, reply: str, order: int, payload: bytes, disconnect_payload: bytes
    ) -> Published:
        """Put a message of a connection into *channel*, once; see ``publish.lua``."""
        with self.changed:
            return self.connections.publish(channel, reply, order, payload, disconnect_payload)

    def close(self, reply: str, code: int) -> Closed:
        """End a connection; see ``close.lua``."""
        with self.changed:
            return self.connections.close(reply, code)

    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* that have a record; see ``connected.lua``."""
        with self.changed:
            return {reply for reply in reply_channels if reply in self.connections.records}

    def republish(self, reply: str, held: Held) -> None:
        """Publish the message under way again, if a flush deleted it; see ``republish.lua``."""
        with self.changed:
            self.connections.republish(reply, held)

    def save_session(self, session: Session) -> None:
        """Save a session, if its connection lives; see ``save_session.lua``."""
        with self.changed:
            self.connections.keep_session(session)

    def load_session(self, reply: str) -> bytes | None:
        """Return the session of a connection, None if it has none."""
        with self.changed:
            return self.connections.sessions.get(reply)

    # Deliveries

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int
    ) -> list[Delivery]:
        """Hand out *count* messages at most of each channel; wait up to *timeout* seconds."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = self.streams.hand_out(channels, consumer, count)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self.changed.wait(left)

    def held(self, channels: Sequence[str], consumers: Sequence[str]) -> list[Delivery]:
        """Return what *consumers* hold of *channels*."""
        with self.changed:
            pending = [held for name in channels for held in self.streams[name].pending.values()]
            return [held for held in pending if held.consumer in consumers]

    def take(self, channel: str) -> Delivery | None:
        """Take the next message of *channel* away, None if there is none."""
        with self.changed:
            return self.streams.take(channel)

    def length(self, channel: str) -> int:
        """Return how many messages of *channel* wait or are under way."""
        with self.changed:
            return len(self.streams[channel])

    def commit(
        self,
        delivery: Delivery,
        operations: Sequence[Operation],
        session: Session | None,
        capacity_of: Callable[[str], int],
    ) -> Committed:
        """Finish a delivery; see ``commit.lua``."""
        with self.changed:
            return self.deliveries.commit(delivery, operations, session, capacity_of)

    def requeue(self, delivery: Delivery, attempts: int, failures: int) -> Committed:
        """Hand *delivery* back; see ``requeue.lua``."""
        with self.changed:
            return self.deliveries.requeue(delivery, attempts, failures)

    # Dead letters

    def dead_letter(self, delivery: Delivery, reason: str, refusal: bytes) -> Committed:
        """Make *delivery* a dead letter; see ``dead_letter.lua``."""
        with self.changed:
            return self.deliveries.dead_letter(delivery, reason, refusal)

    def dead_letters(self) -> list[DeadLetter]:
        """Return the messages that were given up, from the oldest on."""
        with self.changed:
            return list(self.letters.kept)

    def drop_dead_letter(self, letter: str) -> bool:
        """Forget a dead letter."""
        with self.changed:
            return self.letters.drop(letter)

    def retry(self, letter: DeadLetter) -> bool:
        """Send a dead letter again; see ``retry.lua``."""
        with self.changed:
            message = letter.message
            if not self.letters.drop(letter.id):
                return False
            self.streams.add(Delivery(message.channel, "", "", message.id, message.payload))
            return True

    # Operations

    def apply(
        self, operations: Sequence[Operation], parent: str, capacity_of: Callable[[str], int]
    ) -> None:
        """Carry out *operations*; see ``send.lua``."""
        with self.changed:
            self.outbox.write(self.outbox.plan(operations, parent, capacity_of))

    # Servers

    def read_inbox(self, server: str) -> list[InboxEntry]:
        """Take all entries of a server's inbox away."""
        with self.changed:
            return self.inboxes.take(server)

    def leave(self, server: str, departure: Departure) -> None:
        """Let *server* leave a group; see ``leave.lua``."""
        with self.changed:
            self.groups.depart(server, departure)

    def members(self, group: str) -> set[str]:
        """Return the members of a group: servers and ordinary channels."""
        with self.changed:
            return self.groups.channels(group)

    # Everything

    def status(self) -> Status:
        """Return what goes on."""
        with self.changed:
            return read_status(
                self.processes,
                self.streams,
                self.connections,
                self.inboxes,
                self.groups,
                self.letters,
            )
