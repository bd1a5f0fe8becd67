"""What a consumer sent, joined and left, kept until it returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import (
    Operation,
)

_current: ContextVar[Outbox | None] = ContextVar("channels_workers_outbox", default=None)


class Outbox:
    """The operations of one consumer on its message's layer, in order.

    Closed when the consumer has returned: what a left-over task of its does after that goes
    out at once.
    """

    def __init__(self, layer: WorkerLayer) -> None:
        self.layer = layer
        self.operations: list[Operation] = []
        self.closed = False


def carry_out(layer: WorkerLayer, operation: Operation, immediately: bool = False) -> None:
    """Put *operation* into the outbox of the running consumer, or carry it out now.

    It is carried out now when *immediately* is true, outside a consumer, and for a layer that
    is not the one of the consumer's message (no commit spans two layers).
    """
    outbox = _current.get()
    if immediately or outbox is None or outbox.closed or outbox.layer is not layer:
        layer.apply([operation])
    else:
        outbox.operations.append(operation)


@contextmanager
def open_outbox(layer: WorkerLayer) -> Iterator[Outbox]:
    """Keep what is sent in this context, and in coroutines started from it, in an outbox."""
    outbox = Outbox(layer)
    token = _current.set(outbox)
    try:
        yield outbox
    finally:
        outbox.closed = True
        _current.reset(token)
