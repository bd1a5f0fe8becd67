"""Nudges the relay of a database after a commit, so that a stored send takes milliseconds."""

from __future__ import annotations

import logging
import time
from functools import partial
from weakref import WeakKeyDictionary

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from channels_workers.concurrency import forks
from channels_workers.exceptions import ChannelError
from channels_workers.layers.base import WorkerLayer

logger = logging.getLogger(__name__)

#: How long no process nudges a layer that did not answer (s). Relays look each second anyway, and
#: views must not wait for its time-outs.
PAUSE = 5.0


class _Nudges:
    """What this process knows of nudges."""

    def __init__(self) -> None:
        self.begin_in_child()
        forks.renew_in_child(self)

    def begin_in_child(self) -> None:
        #: The layers to nudge after the transaction of a connection.
        self.wanted = WeakKeyDictionary[BaseDatabaseWrapper, set[WorkerLayer]]()
        #: When a layer may be nudged again after a failure (monotonic s).
        self.not_before = WeakKeyDictionary[WorkerLayer, float]()


_nudges = _Nudges()


def nudge_after_commit(layer: WorkerLayer, using: str) -> None:
    """Nudge the relay of the database *using* when the current transaction has committed.

    Without autocommit nobody knows when that is, and the relay looks in time.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        _nudges.wanted.setdefault(connection, set()).add(layer)
        transaction.on_commit(partial(_nudge_wanted, layer, using), using=using, robust=True)
    elif connection.get_autocommit():
        nudge(layer, using)


def _nudge_wanted(layer: WorkerLayer, using: str) -> None:
    """Nudge once for all sends of a transaction: each of them has this callback."""
    wanted = _nudges.wanted.get(connections[using], set())
    if layer in wanted:
        wanted.discard(layer)
        nudge(layer, using)


def nudge(layer: WorkerLayer, using: str) -> None:
    """Nudge the relay now, unless the layer did not answer a moment ago."""
    now = time.monotonic()
    if now < _nudges.not_before.get(layer, now):
        return
    try:
        layer.relays.nudge(using)
    except ChannelError as error:
        _nudges.not_before[layer] = now + PAUSE
        text = "A send is stored in %r, and goes out when the layer answers again: %s"
        logger.debug(text, using, error)
