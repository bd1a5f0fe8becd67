"""The rows of stored sends: written in the transaction of a caller, read and deleted by a relay."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import accumulate
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.models import QuerySet

from channels_workers import tables
from channels_workers.conf import configuration
from channels_workers.effects import Effects, decode
from channels_workers.exceptions import OnceRefused
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.relays import StoredOperation
from channels_workers.layers.types import GroupSend, Send
from channels_workers.outbox import running
from channels_workers.registry import alias_of
from channels_workers.relay.nudge import nudge_after_commit

#: The most rows of one step, and the bytes after which a step takes no more of them.
AT_ONCE, BYTES_AT_ONCE = 50, 1_000_000


class Row(NamedTuple):
    """A stored send; *channel* is empty for a group."""

    pk: int
    key: UUID
    channel: str
    effects: bytes

    @property
    def stored(self) -> StoredOperation:
        """The send as a layer carries it out; ValueError if another release wrote it."""
        [operation] = decode(self.effects).operations
        assert isinstance(operation, Send | GroupSend)  # noqa: S101  (no other is stored)
        return StoredOperation(self.key.hex, operation)


def rows(using: str) -> QuerySet[Any]:
    """Return the rows in the database *using*."""
    return tables.model("StoredSend")._base_manager.using(using)


def store(layer: WorkerLayer, operation: Send | GroupSend, using: str) -> None:
    """Write a row in the current transaction of the database *using*, and nudge after it.

    Raises ``ImproperlyConfigured`` if no worker relays that database, and :class:`OnceRefused` in a
    consumer with ``@once`` whose transaction is in another one.
    """
    _check(using)
    alias = alias_of(layer)
    row = rows(using).model(
        layer=alias,
        channel=operation.channel if isinstance(operation, Send) else "",
        effects=Effects([operation], []).encode(),
    )
    try:
        row.save(using=using, force_insert=True)
    except DatabaseError as error:
        error.add_note(
            f"A send is stored in a table of channels_workers. If {using!r} lacks it, run "
            f"`{tables.migrate_command(using)}`."
        )
        raise
    nudge_after_commit(layer, using)


async def astore(layer: WorkerLayer, operation: Send | GroupSend, using: str) -> None:
    """Do the same as :func:`store` in a coroutine, on the thread of its database connections."""
    await sync_to_async(store)(layer, operation, using)


def _check(using: object) -> None:
    relayed = configuration().RELAY
    if using not in relayed:
        known = ", ".join(map(repr, relayed)) or "empty"
        raise ImproperlyConfigured(
            f"in_transaction must be the alias of a database that workers relay, not {using!r}: "
            f"otherwise nobody sends what is stored there. CHANNEL_WORKERS['RELAY'] is {known}; "
            "add the alias, and restart the workers."
        )
    outbox = running()
    if outbox is None or outbox.transaction is None or outbox.transaction.using == using:
        return
    raise OnceRefused(
        f"A consumer with @once in {outbox.transaction.using!r} stored a send in {using!r}: in "
        "another transaction, and a second run would store it again. Send without in_transaction; "
        "it goes out with the transaction of the consumer."
    )


def next_rows(using: str, layer: str, full: Collection[str]) -> list[Row]:
    """Return the oldest rows for the layer with the alias *layer*, one or more if there are any.

    Those for the channels *full* are left out.
    """
    wanted = rows(using).filter(layer=layer)
    if full:
        wanted = wanted.exclude(channel__in=full)
    names = ("pk", "key", "channel", "effects")
    found = [
        Row(pk, key, channel, bytes(effects))
        for pk, key, channel, effects in wanted.order_by("pk").values_list(*names)[:AT_ONCE]
    ]
    sizes = accumulate(len(row.effects) for row in found)
    fitting = sum(size <= BYTES_AT_ONCE for size in sizes)
    return found[: max(1, fitting)]


def delete(using: str, done: Iterable[Row]) -> None:
    """Delete the rows of sends that are in the layer."""
    rows(using).filter(pk__in=[row.pk for row in done]).delete()


def without_row(using: str, keys: Collection[str]) -> list[str]:
    """Return those of *keys* whose rows are deleted."""
    known = {key: UUID(key) for key in keys if _is_key(key)}
    there = set(rows(using).filter(key__in=known.values()).values_list("key", flat=True))
    return [key for key in keys if known.get(key) not in there]


def _is_key(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def name_of(using: str, layer: str) -> str:
    """Return a name for the database *using* and its sends for the layer with the alias *layer*.

    It is random at first, and then stays. Two aliases may be one Redis.
    """
    all_names: QuerySet[Any] = tables.model("RelayedDatabase")._base_manager.using(using)
    found, _ = all_names.get_or_create(pk=1)
    return uuid5(found.key, layer).hex
