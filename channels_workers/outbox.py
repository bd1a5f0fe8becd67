"""What a consumer sent, joined and left, kept until it returns."""

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
    """The operations of one consumer on its message's layer, in order.

    In a ``with`` it keeps what is sent in that context, and in coroutines started from it. After
    that it is closed: what a left-over task of the consumer does then goes out at once. So does
    what a forked child of the consumer sends: nobody commits its copy of the outbox.
    """

    _token: Token[Outbox | None]

    def __init__(self, layer: WorkerLayer) -> None:
        self.layer = layer
        self.operations: list[Operation] = []
        self.size = 0  # bytes of what is sent
        self.closed = False
        self.process = forks.current

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True
        _current.reset(self._token)

    @property
    def is_open(self) -> bool:
        """Whether what it keeps is going to be committed."""
        return not self.closed and self.process is forks.current

    def add(self, operation: Operation) -> None:
        """Keep *operation*; :class:`OutboxFull` if there are too many, or too large ones."""
        limits = configuration()
        size = self.size + len(operation.payload) if isinstance(operation, SENDS) else self.size
        if len(self.operations) >= limits.OUTBOX_OPERATIONS or size > limits.OUTBOX_BYTES:
            raise OutboxFull(
                f"A consumer may send, join and leave {limits.OUTBOX_OPERATIONS} times, and send "
                f"{limits.OUTBOX_BYTES} bytes; this would be number {len(self.operations) + 1}, "
                f"and {size} bytes. Send in parts, by messages to a channel of your own, or raise "
                "OUTBOX_OPERATIONS or OUTBOX_BYTES in CHANNEL_WORKERS."
            )
        self.operations.append(operation)
        self.size = size


def carry_out(
    layer: WorkerLayer, operation: Operation, immediately: bool = False, call: str = "carry_out"
) -> None:
    """Put *operation* into the outbox of the running consumer, or carry it out now.

    It is carried out now when *immediately* is true, outside a consumer, in a forked child of
    one, and for a layer that is not the one of its message (no commit spans two layers). *call* is
    who asks, like ``Group.send``.
    """
    outbox = None if immediately else _open_outbox(layer)
    if outbox is not None:
        outbox.add(operation)
        return
    kind, _, method = call.rpartition(".")
    warn_in_event_loop(call, f"Await {kind}.a{method} there.")
    layer.apply([operation])


async def acarry_out(layer: WorkerLayer, operation: Operation, immediately: bool = False) -> None:
    """Do the same as :func:`carry_out`, from a coroutine, whose event loop does not wait."""
    outbox = None if immediately else _open_outbox(layer)
    if outbox is not None:
        outbox.add(operation)
    else:
        await layer.aapply([operation])


def _open_outbox(layer: WorkerLayer) -> Outbox | None:
    outbox = _current.get()
    is_for_layer = outbox is not None and outbox.is_open and outbox.layer is layer
    return outbox if is_for_layer else None
