"""Kept connections of a memory layer; see ``lib/kept.lua`` and ``adopt.lua``."""

from __future__ import annotations

from collections.abc import Callable

from channels_workers.conf import configuration
from channels_workers.layers.kept import Adopted, Home, LayerKept, Parked
from channels_workers.layers.memory.plan import Plan
from channels_workers.layers.memory.store import (
    BUSY,
    CLOSING,
    DISCONNECTING,
    IDLE,
    KeptData,
    Record,
    Store,
)
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    RESUME,
    RESUMES,
    InboxKind,
    InboxOperation,
    Join,
    PendingMessage,
)


def time_of(reply: str) -> float:
    """Return for how long a connection is kept (s)."""
    return float(reply.split(".")[1])


def park(store: Store, reply: str, code: int, asking: str | None = None) -> Parked:
    """Let a connection wait for its client; the caller holds the lock of *store*."""
    record = store.records.get(reply)
    if record is None or store.has_moved(reply, asking):
        return Parked.GONE
    kept = store.kept.setdefault(reply, KeptData())
    if kept.parked is not None:
        return Parked.REPEATED
    if record.state in (CLOSING, DISCONNECTING):
        return Parked.GONE
    kept.parked, kept.due = code, store.clock() + time_of(reply)
    return Parked.PARKED


def waiting(store: Store) -> list[tuple[float, str]]:
    """Return the connections that wait for their clients, in the order of their due times."""
    return sorted((kept.due, reply) for reply, kept in store.kept.items() if kept.due is not None)


def bound(store: Store) -> int:
    """End the oldest ones of those that are too many; return how many."""
    most = configuration().PARKED
    found = waiting(store) if len(store.kept) > most else []
    surplus = max(0, len(found) - most)
    for _, reply in found[:surplus]:
        _end(store, reply)
    return surplus


def end_due(store: Store, now: float, most: int) -> int:
    """End up to *most* of those that are due; return how many."""
    found = waiting(store) if store.kept else []
    due = [reply for at, reply in found[:most] if at <= now]
    for reply in due:
        _end(store, reply)
    return len(due)


def _end(store: Store, reply: str) -> None:
    kept, record = store.kept[reply], store.records.get(reply)
    kept.due = None
    if record is not None and kept.parked is not None:
        store.end_connection(reply, record, kept.parked)


def adopt(store: Store, server: str, reply: str, has: int) -> Adopted | None:
    """Let *server* have a connection; see ``adopt.lua``. The caller holds the lock of *store*."""
    record = store.records.get(reply)
    if record is None or not _all_know(store):
        return None
    kept = store.kept.setdefault(reply, KeptData())
    if not _goes_on(store, record, kept):
        return None
    former = store.server_of(reply)
    former = former if former in store.counters else ""
    kept.server, kept.parked, kept.due = server, None, None
    plan = Plan(store, lambda channel: 0)
    plan.add_all([Join(group, reply) for group in sorted(kept.groups)], "")
    if former not in ("", server):
        value = f"{server}:{has}".encode()
        plan.tell_server(former, InboxOperation(InboxKind.MOVED, reply, value))
    plan.write()
    return Adopted(
        record.order,
        _pending(store, reply, record),
        record.disconnect_payload,
        max(0, record.order - kept.resumes),
        store.sessions.get(reply),
        former or "",
        _is_heard(store),
    )


def _all_know(store: Store) -> bool:
    return all(RESUMES in store.process_info[name].features for name in store.counters)


def _is_heard(store: Store) -> bool:
    channels = {name for _, info in store.of_kind("worker") for name in info.channels}
    return RESUME in channels or CONNECT not in channels


def _goes_on(store: Store, record: Record, kept: KeptData) -> bool:
    """Take back that a connection ends, if no worker has its disconnect; return whether."""
    if record.state not in (CLOSING, DISCONNECTING):
        return True
    if kept.parked is None:
        return False
    if record.state == DISCONNECTING:
        if store.is_taken(DISCONNECT, record):
            return False
        del store.stream(DISCONNECT).waiting[record.token]
        record.order, record.state, record.token = record.order - 1, IDLE, ""
    else:
        record.state = BUSY
    record.code = None
    return True


def _pending(store: Store, reply: str, record: Record) -> PendingMessage | None:
    if record.state != BUSY:
        return None
    for channel in (RECEIVE, RESUME, CONNECT):
        stream = store.stream(channel)
        if held := stream.waiting.get(record.token) or stream.pending.get(record.token):
            return PendingMessage(channel, held.payload)
    return None


class MemoryKept(LayerKept):
    """The kept connections of a layer in *store*, whose server *start_server* returns."""

    def __init__(
        self, store: Store, start_server: Callable[[], Server], detach: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._store = store
        self._start_server = start_server
        self._forget = detach

    async def hears_resumes(self) -> bool:
        """Say whether a worker listens to ``websocket.resume``, or will once there is one."""
        with self._store.changed:
            return _is_heard(self._store)

    def _home(self) -> Home:
        return self._start_server()

    async def _park(self, server: Home, channel: str, code: int) -> tuple[Parked, int]:
        with self._store.changed:
            parked = park(self._store, channel, code, server.id)
            return parked, bound(self._store)

    async def _adopt(self, server: Home, channel: str, has: int) -> Adopted | None:
        with self._store.changed:
            return adopt(self._store, server.id, channel, has)

    def _give_back(self, server: Home, channel: str, code: int) -> None:
        with self._store.changed:
            park(self._store, channel, code, server.id)

    def _detach(self, server: Home, channel: str) -> None:
        self._forget(channel)
