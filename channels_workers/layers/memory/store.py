"""The data of a memory layer: what Redis and its scripts are to the other layer."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from channels_workers.conf import configuration
from channels_workers.exceptions import ServerGone
from channels_workers.layers.memory.plan import Plan
from channels_workers.layers.operations import (
    CONNECT,
    DISCONNECT,
    About,
    Closed,
    Committed,
    DeadLetter,
    Delivery,
    InboxEntry,
    Operation,
    Published,
    Pulse,
    Session,
    server_of,
)
from channels_workers.layers.server import Departure
from channels_workers.layers.status import ChannelStatus, ServerStatus, Status, WorkerStatus

IDLE, BUSY, CLOSING, DISCONNECTING = "idle", "busy", "closing", "disconnecting"


@dataclass
class Record:
    """What the store knows of one connection."""

    order: int
    state: str
    disconnect_payload: bytes
    token: str = ""
    code: int | None = None


@dataclass
class Stream:
    """The messages of one ordinary channel: those that wait, and those handed out."""

    waiting: OrderedDict[str, Delivery] = field(default_factory=OrderedDict)
    pending: dict[str, Delivery] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.pending)


class Store:
    """All the data of a memory layer, behind one lock; several layers may share it.

    Each public method is one atomic step, as each script of the Redis layer is.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        #: Called, by server id, when an inbox got an entry; they must not block.
        self.inbox_listeners: dict[str, Callable[[], None]] = {}
        #: Called when any channel got a message; they must not block.
        self.stream_listeners: set[Callable[[], None]] = set()
        self.clear()

    def clear(self) -> None:
        """Delete everything."""
        with self.changed:
            self.processes: dict[str, int] = {}
            self.about: dict[str, About] = {}
            self.buried: set[str] = set()
            self.remains: set[str] = set()
            self.dead: list[DeadLetter] = []
            self.streams: dict[str, Stream] = defaultdict(Stream)
            self.inboxes: dict[str, list[InboxEntry]] = defaultdict(list)
            self.connections: dict[str, Record] = {}
            self.groups: dict[str, dict[str, str]] = defaultdict(dict)
            self.sessions: dict[str, bytes] = {}
            self.last_token = 0

    def next_token(self) -> str:
        """Return a token larger than all before."""
        self.last_token += 1
        return f"{self.last_token:020d}"

    # Processes

    def register(self, process: str, about: About) -> None:
        """Make *process* known; see ``register.lua``."""
        with self.changed:
            self.processes[process] = 1
            self.about[process] = about

    def counters(self) -> dict[str, int]:
        """Return the counter of each process."""
        with self.changed:
            return dict(self.processes)

    def pulse(self, process: str) -> Pulse:
        """Raise the counter of *process*; see ``pulse.lua``."""
        with self.changed:
            if process not in self.processes:
                return Pulse.BURIED if process in self.buried else Pulse.LOST
            self.processes[process] += 1
            return Pulse.ALIVE

    def retire(self, process: str) -> None:
        """Forget *process*; see ``retire.lua``."""
        with self.changed:
            for group in list(self.groups):
                self._remove_member(group, process)
            self.inboxes.pop(process, None)
            self.processes.pop(process, None)
            self.about.pop(process, None)

    def overfull(self) -> dict[str, int]:
        """Return the counter of each server that does not keep up; see ``overfull.lua``."""
        limits = configuration()
        with self.changed:
            return {
                server: self.processes[server]
                for server, entries in self.inboxes.items()
                if server in self.processes
                and (len(entries) > limits.INBOX_ENTRIES or size_of(entries) > limits.INBOX_BYTES)
            }

    def bury(self, process: str, counter: int) -> bool:
        """Declare *process* dead; see ``bury.lua``."""
        with self.changed:
            if self.processes.get(process) != counter:
                return False
            del self.processes[process]
            self.buried.add(process)
            self.remains.add(process)
            return True

    def dead_processes(self) -> set[str]:
        """Return the dead that were not cleaned up after yet."""
        with self.changed:
            return set(self.remains)

    def clean(self, process: str) -> None:
        """Undo what a dead process left behind; see ``clean.lua``."""
        with self.changed:
            if process not in self.remains:
                return
            for stream in list(self.streams.values()):
                for held in list(stream.pending.values()):
                    if held.consumer.startswith(f"{process}."):
                        self._hand_on(held)
            for reply in list(self.connections):
                if server_of(reply) == process:
                    self.close(reply, 1006)
            self.retire(process)
            self.remains.discard(process)

    def _hand_on(self, held: Delivery) -> None:
        deaths = held.deaths + 1
        if deaths >= configuration().DELIVERIES:
            self.give_up(held, f"its worker died, {deaths} times")
        else:
            self._put_again(replace(held, deaths=deaths))

    # Connections

    def publish(
        self, channel: str, reply: str, order: int, payload: bytes, disconnect_payload: bytes
    ) -> Published:
        """Put a message of a connection into *channel*, once; see ``publish.lua``."""
        with self.changed:
            record = self.connections.get(reply)
            if record is None:
                if server_of(reply) not in self.processes:
                    raise ServerGone(f"The server of {reply} is not registered.")
                if order != 0:
                    return Published.GONE
                record = Record(-1, IDLE, disconnect_payload)
            if order <= record.order and record.state != DISCONNECTING:
                return Published.REPEATED
            if record.state in (CLOSING, DISCONNECTING):
                return Published.GONE
            if record.state != IDLE or order != record.order + 1:
                raise RuntimeError(f"order {order} cannot follow {record.order} ({record.state})")
            record.order, record.state = order, BUSY
            self.connections[reply] = record
            self._publish_order(reply, record, channel, payload)
            return Published.PUBLISHED

    def close(self, reply: str, code: int) -> Closed:
        """End a connection; see ``close.lua``."""
        with self.changed:
            record = self.connections.get(reply)
            if record is None:
                return Closed.GONE
            if record.state in (CLOSING, DISCONNECTING):
                return Closed.REPEATED
            record.code = code
            if record.state == IDLE:
                self._publish_disconnect(reply, record)
                return Closed.PUBLISHED
            waiting = self.streams[CONNECT].waiting.get(record.token)
            if record.order == 0 and waiting and not waiting.attempts and not waiting.deaths:
                del self.streams[CONNECT].waiting[record.token]
                self._delete_connection(reply)
                return Closed.WITHDRAWN
            record.state = CLOSING
            return Closed.CLOSING

    def _publish_order(self, reply: str, record: Record, channel: str, payload: bytes) -> None:
        record.token = self._add_message(
            Delivery(
                channel=channel,
                token="",
                consumer="",
                id=f"{reply}:{record.order}",
                payload=payload,
                reply_channel=reply,
                order=record.order,
                code=record.code,
                session=self.sessions.get(reply),
            )
        )

    def _publish_disconnect(self, reply: str, record: Record) -> None:
        record.order += 1
        record.state = DISCONNECTING
        self._publish_order(reply, record, DISCONNECT, record.disconnect_payload)

    def _delete_connection(self, reply: str) -> None:
        self.connections.pop(reply, None)
        self.sessions.pop(reply, None)

    # Deliveries

    def pull(self, channels: Sequence[str], consumer: str, timeout: float) -> list[Delivery]:
        """Hand out one message at most of each channel; wait up to *timeout* seconds."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = [
                    self._hand_out(self.streams[channel], consumer)
                    for channel in channels
                    if self.streams[channel].waiting
                ]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self.changed.wait(left)

    def take(self, channel: str) -> Delivery | None:
        """Take the next message of *channel* away, None if there is none."""
        with self.changed:
            waiting = self.streams[channel].waiting
            return waiting.popitem(last=False)[1] if waiting else None

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
            if not self._is_owner(delivery):
                return Committed.STALE
            record = None
            if delivery.reply_channel is not None:
                record = self.connections.get(delivery.reply_channel)
                if record is None or record.order != delivery.order or record.state == IDLE:
                    del self.streams[delivery.channel].pending[delivery.token]
                    return Committed.GONE
            plan = self._plan(operations, delivery.id, capacity_of)
            del self.streams[delivery.channel].pending[delivery.token]
            if session is not None and not (record and record.state == DISCONNECTING):
                self._keep_session(session)
            if record is not None and delivery.reply_channel is not None:
                self._plan_release(plan, delivery.reply_channel, record)
            self._write(plan)
            if record is not None and delivery.reply_channel is not None:
                self._finish_order(delivery.reply_channel, record)
            return Committed.DONE

    def _plan_release(self, plan: Plan, reply: str, record: Record) -> None:
        server = server_of(reply)
        if record.state == CLOSING or server is None or server not in self.processes:
            return
        if record.state == DISCONNECTING:
            plan.add(server, "e", reply, b"")
        else:
            plan.add(server, "r", reply, str(record.order).encode())

    def _finish_order(self, reply: str, record: Record) -> None:
        if record.state == DISCONNECTING:
            self._delete_connection(reply)
        elif record.state == CLOSING:
            self._publish_disconnect(reply, record)
        else:
            record.state, record.token = IDLE, ""

    def requeue(self, delivery: Delivery, attempts: int) -> Committed:
        """Hand *delivery* back; see ``requeue.lua``."""
        with self.changed:
            if not self._is_owner(delivery):
                return Committed.STALE
            held = self.streams[delivery.channel].pending[delivery.token]
            self._put_again(replace(held, attempts=attempts))
            return Committed.DONE

    def _put_again(self, held: Delivery) -> None:
        del self.streams[held.channel].pending[held.token]
        token = self._add_message(replace(held, consumer=""))
        record = self.connections.get(held.reply_channel or "")
        if record is not None and record.token == held.token:
            record.token = token

    def give_up(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter; see ``give_up.lua``."""
        with self.changed:
            if not self._is_owner(delivery):
                return Committed.STALE
            held = self.streams[delivery.channel].pending.pop(delivery.token)
            self.dead.append(DeadLetter(self.next_token(), reason, held))
            del self.dead[: -configuration().DEAD_LETTERS]
            reply = held.reply_channel
            record = self.connections.get(reply) if reply else None
            if reply and record and record.order == held.order and record.state != IDLE:
                plan = self._plan((), held.id, lambda channel: 0)
                self._plan_release(plan, reply, record)
                self._write(plan)
                self._finish_order(reply, record)
            return Committed.DONE

    def dead_letters(self) -> list[DeadLetter]:
        """Return the messages that were given up, from the oldest on."""
        with self.changed:
            return list(self.dead)

    def drop_dead_letter(self, letter: str) -> bool:
        """Forget a dead letter."""
        with self.changed:
            kept = [found for found in self.dead if found.id != letter]
            dropped, self.dead = len(kept) < len(self.dead), kept
            return dropped

    def retry(self, letter: DeadLetter) -> bool:
        """Send a dead letter again; see ``retry.lua``."""
        with self.changed:
            message = letter.message
            if not self.drop_dead_letter(letter.id):
                return False
            self._add_message(Delivery(message.channel, "", "", message.id, message.payload))
            return True

    def _hand_out(self, stream: Stream, consumer: str) -> Delivery:
        token, waiting = stream.waiting.popitem(last=False)
        stream.pending[token] = replace(waiting, consumer=consumer)
        return stream.pending[token]

    def _is_owner(self, delivery: Delivery) -> bool:
        held = self.streams[delivery.channel].pending.get(delivery.token)
        return held is not None and held.consumer == delivery.consumer

    def _add_message(self, message: Delivery) -> str:
        token = self.next_token()
        self.streams[message.channel].waiting[token] = replace(message, token=token)
        self.changed.notify_all()
        for listener in tuple(self.stream_listeners):
            listener()
        return token

    # Operations

    def apply(
        self, operations: Sequence[Operation], parent: str, capacity_of: Callable[[str], int]
    ) -> None:
        """Carry out *operations*; see ``send.lua``."""
        with self.changed:
            self._write(self._plan(operations, parent, capacity_of))

    def _plan(
        self, operations: Sequence[Operation], parent: str, capacity_of: Callable[[str], int]
    ) -> Plan:
        lengths = {channel: len(stream) for channel, stream in self.streams.items()}
        plan = Plan(self.processes, self.groups, lengths, capacity_of)
        plan.add_all(operations, parent)
        return plan

    def _write(self, plan: Plan) -> None:
        entries = {}
        for server, operations in plan.inboxes.items():
            entries[server] = self.next_token()
            self.inboxes[server].append(InboxEntry(entries[server], operations))
        for group, member, joins in plan.changes:
            if joins:
                self.groups[group][member] = entries.get(member, "")
            else:
                self._remove_member(group, member)
        for message in plan.messages:
            self._add_message(message)
        for server in plan.inboxes:
            if server in self.inbox_listeners:
                self.inbox_listeners[server]()

    def _remove_member(self, group: str, member: str) -> None:
        if group in self.groups:
            self.groups[group].pop(member, None)
            if not self.groups[group]:
                del self.groups[group]

    def leave(self, server: str, departure: Departure) -> None:
        """Let *server* leave a group; see ``leave.lua``."""
        with self.changed:
            if self.groups.get(departure.group, {}).get(server) == departure.entry:
                self._remove_member(departure.group, server)

    def members(self, group: str) -> set[str]:
        """Return the members of a group: servers and ordinary channels."""
        with self.changed:
            return {member.lstrip("*") for member in self.groups.get(group, {})}

    def read_inbox(self, server: str) -> list[InboxEntry]:
        """Take all entries of a server's inbox away."""
        with self.changed:
            return self.inboxes.pop(server, [])

    def status(self) -> Status:
        """Return what goes on."""
        with self.changed:
            about = sorted((name, self.about[name]) for name in self.processes)
            held = {d.consumer for stream in self.streams.values() for d in stream.pending.values()}
            return Status(
                servers=[self._server(*item) for item in about if item[1].kind == "server"],
                workers=[
                    WorkerStatus(name, found, sum(one.startswith(f"{name}.") for one in held))
                    for name, found in about
                    if found.kind == "worker"
                ],
                channels=[
                    ChannelStatus(name, len(stream.waiting), len(stream.pending), None)
                    for name, stream in sorted(self.streams.items())
                ],
                dead_letters=len(self.dead),
            )

    def _server(self, name: str, about: About) -> ServerStatus:
        connections = sum(server_of(reply) == name for reply in self.connections)
        groups = sum(name in members for members in self.groups.values())
        return ServerStatus(name, about, connections, groups, len(self.inboxes.get(name, ())))

    # Sessions

    def save_session(self, session: Session) -> None:
        """Save a session, if its connection lives; see ``save_session.lua``."""
        with self.changed:
            self._keep_session(session)

    def load_session(self, reply: str) -> bytes | None:
        """Return the session of a connection, None if it has none."""
        with self.changed:
            return self.sessions.get(reply)

    def _keep_session(self, session: Session) -> None:
        if session.reply_channel in self.connections:
            self.sessions[session.reply_channel] = session.payload


def size_of(entries: Sequence[InboxEntry]) -> int:
    """Return the bytes in the operations of *entries*."""
    return sum(len(operation.value) for entry in entries for operation in entry.operations)
