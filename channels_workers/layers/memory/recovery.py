"""How a server registers again with a store that has lost its data; see ``restore.lua``."""

from __future__ import annotations

from channels_workers.layers.kept import Kept
from channels_workers.layers.memory.kept import time_of
from channels_workers.layers.memory.shard_data import UNKNOWN, ShardData
from channels_workers.layers.memory.store import (
    BUSY,
    DISCONNECTING,
    IDLE,
    KeptData,
    Record,
    Store,
)
from channels_workers.layers.server import RESTORED, Server
from channels_workers.layers.shards.types import Mark
from channels_workers.layers.types import (
    ConnectionSnapshot,
    InboxKind,
    InboxOperation,
    ProcessInfo,
    first_channel,
    is_request,
    last_channel,
    server_of,
)


def restore(
    store: Store, shard: ShardData, server: Server, about: ProcessInfo, *, is_late: bool = False
) -> bool:
    """Register *server* and all of its connections again; the caller holds the lock of *store*.

    Old data are kept if they agree with the server, and deleted if not. Return False if the server
    was declared dead. One that *is_late* comes after the recovery.
    """
    if server.id in store.dead:
        return False
    _begin(store, server, about)
    old = {reply: it for reply, it in store.records.items() if store.server_of(reply) == server.id}
    for reply, snapshot in server.snapshots():
        session = server.sessions.get(reply)
        _restore_connection(store, reply, snapshot, session, old.pop(reply, None))
    for reply, state in server.kept.states.items():
        if reply in store.records:
            store.kept[reply] = _kept(store, server, reply, state)
    for reply, record in old.items():
        _forget(store, reply, record)
    if is_late:
        _tell_late(store, shard, server)
    else:
        shard.heard[server.id] = dict(server.heard.marks)
    server.restored()
    return True


def _begin(store: Store, server: Server, about: ProcessInfo) -> None:
    """Register a server, with its groups and an empty inbox."""
    store.counters[server.id], store.process_info[server.id] = 1, about
    for group in list(store.groups):
        store.leave_group(group, server.id)
    store.inboxes.pop(server.id, None)
    for group in server.groups:
        store.groups[group][server.id] = RESTORED


def _tell_late(store: Store, shard: ShardData, server: Server) -> None:
    """Tell a server that comes after the recovery what it has missed: marks never go back.

    Without a mark, as nobody came before, that of this server counts.
    """
    for source, heard in server.heard.marks.items():
        shard.marks.setdefault(source, heard)
    for source, mark in shard.marks.items():
        known = server.heard.marks.get(source, Mark(mark.epoch, 0))
        if known.epoch != mark.epoch or known.seq < mark.seq:
            lost = InboxOperation(InboxKind.GAP, source, UNKNOWN.encode())
            store.add_to_inbox(server.id, [lost])  # without a mark: its own may be newer


def _restore_connection(
    store: Store,
    reply: str,
    snapshot: ConnectionSnapshot,
    session: bytes | None,
    old: Record | None,
) -> None:
    if session is None:
        store.sessions.pop(reply, None)
    else:
        store.sessions[reply] = session
    order, disconnect_payload, pending, code = snapshot
    if code is not None and old is not None and _has_ended(store, reply, old, order):
        return
    record = store.records[reply] = Record(order, IDLE, disconnect_payload)
    if pending is not None:
        record.state = BUSY
        is_there = old is not None and old.order == order and old.state != IDLE
        if old is not None and is_there and store.is_there(pending.channel, old):
            record.token = old.token
        else:
            store.publish_order(reply, record, *pending)
    if code is not None:
        store.end_connection(reply, record, code)


def _kept(store: Store, server: Server, reply: str, state: Kept) -> KeptData:
    """Return what the store has of a kept connection; see ``restore_kept.lua``."""
    return KeptData(
        server="" if server_of(reply) == server.id else server.id,
        adoption=state.adoption,
        resumes=state.resumes,
        parked=state.parked,
        due=None if state.parked is None else store.clock() + time_of(reply),
        groups=set(server.groups_of.get(reply, ())),
    )


def _has_ended(store: Store, reply: str, old: Record, order: int) -> bool:
    """Say whether the disconnect of a connection is there."""
    is_last = old.state == DISCONNECTING and old.order > order
    return is_last and store.is_there(last_channel(reply), old)


def _forget(store: Store, reply: str, record: Record) -> None:
    """Forget a connection that the server does not know any more."""
    stream = store.streams.get(first_channel(reply))
    if is_request(reply) and record.order == 0 and stream is not None:
        stream.waiting.pop(record.token, None)
        stream.pending.pop(record.token, None)
    store.delete_connection(reply)
