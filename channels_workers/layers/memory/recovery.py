"""How a server registers again with a store that has lost its data; see ``restore.lua``."""

from __future__ import annotations

from channels_workers.layers.memory.shard_data import ShardData
from channels_workers.layers.memory.store import BUSY, DISCONNECTING, IDLE, Record, Store
from channels_workers.layers.server import RESTORED, Server
from channels_workers.layers.types import (
    ConnectionSnapshot,
    ProcessInfo,
    first_channel,
    is_request,
    last_channel,
)


def restore(store: Store, shard: ShardData, server: Server, about: ProcessInfo) -> bool:
    """Register *server* and all of its connections again; the caller holds the lock of *store*.

    Old data are kept if they agree with the server, and deleted if not. Return False if the server
    was declared dead.
    """
    if server.id in store.dead:
        return False
    store.counters[server.id], store.process_info[server.id] = 1, about
    for group in list(store.groups):
        store.leave_group(group, server.id)
    store.inboxes.pop(server.id, None)
    for group in server.groups:
        store.groups[group][server.id] = RESTORED
    old = {reply: it for reply, it in store.records.items() if store.server_of(reply) == server.id}
    for reply, snapshot in server.snapshots():
        session = server.sessions.get(reply)
        _restore_connection(store, reply, snapshot, session, old.pop(reply, None))
    for reply, record in old.items():
        _forget(store, reply, record)
    shard.heard.append(dict(server.heard.marks))
    server.restored()
    return True


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
