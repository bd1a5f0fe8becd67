"""The operations of a running consumer, kept until it returns."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Self

from channels_workers.concurrency import forks
from channels_workers.concurrency.blocking import warn_in_event_loop
from channels_workers.conf import configuration
from channels_workers.exceptions import OutboxFull
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    GroupSend,
    Operation,
    Send,
)

SENDS = (Send, GroupSend)

_current: ContextVar[Outbox | None] = ContextVar("channels_workers_outbox", default=None)


class Outbox:
    """The operations of one consumer on the layer of its message, in order.

    In a ``with`` block it keeps the operations of that context, and of coroutines started from it.
    Then it is closed, and operations of left-over tasks go out at once. So do those of a forked
    child of the consumer, because nobody commits its copy of the outbox.
    """

    _token: Token[Outbox | None]

    def __init__(self, layer: WorkerLayer) -> None:
        self.layer = layer
        self.operations: list[Operation] = []
        self.size = 0  # bytes of all payloads
        self.closed = False
        self.process = forks.current

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True
        _current.reset(self._token)

    def keep(self, operation: Operation, layer: WorkerLayer) -> bool:
        """Keep *operation* on *layer* for the commit; return False if it is no part of it.

        Raises :class:`OutboxFull` beyond one of the limits.
        """
        if self.closed or self.layer is not layer or self.process is not forks.current:
            return False
        limits = configuration()
        size = self.size + len(operation.payload) if isinstance(operation, SENDS) else self.size
        if len(self.operations) >= limits.OUTBOX_OPERATIONS or size > limits.OUTBOX_BYTES:
            raise OutboxFull(
                f"A consumer may send, join and leave {limits.OUTBOX_OPERATIONS} times, and send "
                f"{limits.OUTBOX_BYTES} bytes; this would be number {len(self.operations) + 1}, "
                f"and {size} bytes. Split the work into messages to a channel of your own, or "
                "raise OUTBOX_OPERATIONS or OUTBOX_BYTES in CHANNEL_WORKERS."
            )
        self.operations.append(operation)
        self.size = size
        return True


def carry_out(
    layer: WorkerLayer, operation: Operation, immediately: bool = False, call: str = "carry_out"
) -> None:
    """Put *operation* into the outbox of the running consumer, or carry it out now.

    It is carried out now if *immediately* is true, outside a consumer, in a forked child of one,
    and for another layer than that of the message, because no commit spans two layers. *call*
    names the public method, such as ``Group.send``.
    """
    outbox = None if immediately else _current.get()
    if outbox is not None and outbox.keep(operation, layer):
        return
    kind, _, method = call.rpartition(".")
    warn_in_event_loop(call, f"Await {kind}.a{method} there.")
    layer.apply([operation])


async def acarry_out(layer: WorkerLayer, operation: Operation, immediately: bool = False) -> None:
    """Do the same as :func:`carry_out` from a coroutine, without blocking its event loop."""
    outbox = None if immediately else _current.get()
    if outbox is None or not outbox.keep(operation, layer):
        await layer.aapply([operation])
