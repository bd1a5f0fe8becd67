"""The outbox and the seat of the running consumer, without the engine behind them.

The parent of worker processes loads the filter of ``LOGGING`` that reads it, and runs no consumer.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol

#: The :class:`~channels_workers.outbox.Outbox` of the consumer that runs, or that has started this
#: context and ended.
current_outbox: ContextVar[Any] = ContextVar("channels_workers_outbox", default=None)


class Sitting(Protocol):
    """The run of a consumer that has a seat; see :class:`channels_workers.worker.seats.Seats`."""

    def left(self) -> AbstractContextManager[object]:
        """Leave the seat to others in a ``with`` block, which waits for a shard."""


#: That of the consumer that runs, in a worker process with several shards.
current_sitting: ContextVar[Sitting | None] = ContextVar("channels_workers_sitting", default=None)


def without_seat() -> AbstractContextManager[object]:
    """Let other consumers of this process run in a ``with`` block, which waits for a shard."""
    sitting = current_sitting.get()
    return nullcontext() if sitting is None else sitting.left()
