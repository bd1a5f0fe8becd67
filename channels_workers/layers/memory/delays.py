"""Delayed messages of a memory layer; see ``send_due.lua``."""

from __future__ import annotations

from channels_workers.exceptions import ChannelFull
from channels_workers.layers.memory import kept
from channels_workers.layers.memory.plan import Plan
from channels_workers.layers.memory.store import Later, Store
from channels_workers.layers.types import FULL_PAUSE, DelayedMessage, Delivery, Due, Send


def in_order(store: Store) -> list[tuple[str, Later]]:
    """Return the delayed messages with their ids, in the order of their due times."""
    return sorted(store.delayed.items(), key=lambda item: item[1].due)


def delayed(store: Store, limit: int) -> list[DelayedMessage]:
    """Return the next *limit* delayed messages."""
    return [
        DelayedMessage(name, later.channel, later.due, later.payload)
        for name, later in in_order(store)[:limit]
    ]


def send_due(store: Store, most: int) -> Due:
    """Send up to *most* due messages; the caller holds the lock of *store*."""
    now, sent, full = store.clock(), 0, dict[str, None]()
    due = [item for item in in_order(store) if item[1].due <= now]
    for name, later in due[:most]:
        if _send(store, name, later):
            sent += 1
        else:
            later.due = now + FULL_PAUSE
            full[later.channel] = None
    ended = kept.end_due(store, now, most)
    times = [later.due for later in store.delayed.values()]
    times += [at for at, _ in kept.waiting(store)[:1]] if store.kept else []
    left = min(times, default=None)
    return Due(sent, None if left is None else max(0.0, left - now), tuple(full), ended)


def _send(store: Store, name: str, later: Later) -> bool:
    """Send a message; return False if its channel is full."""
    plan = Plan(store, lambda channel: later.capacity)
    sent = Send(later.channel, later.payload)
    try:
        if plan.elsewhere is None or not plan.elsewhere.takes(sent, name):
            plan.send(Delivery(later.channel, "", "", name, later.payload))
    except ChannelFull:
        return False
    del store.delayed[name]
    plan.write()
    return True
