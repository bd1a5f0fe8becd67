"""The operations of a running consumer: sends wait until it returns, joins and leaves do not."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Protocol, Self, TypeVar

from channels_workers.backoff import Backoff
from channels_workers.concurrency import forks
from channels_workers.concurrency.blocking import warn_in_event_loop
from channels_workers.conf import configuration
from channels_workers.context import current_outbox, without_seat
from channels_workers.exceptions import ConsumeLater, LayerUnavailable, OnceRefused, OutboxFull
from channels_workers.flow import STEP_COST
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.history import OLDEST, Joined
from channels_workers.layers.types import (
    DISCONNECT,
    REQUEST,
    REQUEST_DISCONNECT,
    Delivery,
    GroupSend,
    Join,
    Leave,
    Operation,
    Resume,
    Send,
    SendLater,
    runs_once,
)

logger = logging.getLogger(__name__)

#: Waits so many seconds or until the process has ended, and returns whether it has ended.
Rest = Callable[[float], bool]

Result = TypeVar("Result")

never_ended = threading.Event()

SENDS = (Send, GroupSend, SendLater)

_current: ContextVar[Outbox | None] = current_outbox


class Transaction(Protocol):
    """The transaction of ``@once`` in the database *using*."""

    using: str


class Outbox:
    """The operations of the consumer of *delivery* on *layer*, in order.

    In a ``with`` block it takes the operations of that context, and of coroutines started from it.
    It keeps sends for the commit, and carries out joins and leaves. Then it is closed, and
    operations of left-over tasks go out at once. So do those of a forked child of the consumer,
    because nobody commits its copy of the outbox.

    *rest* waits between two attempts while the layer is away.
    """

    _token: Token[Outbox | None]

    #: The message of the consumer, a ``Message``.
    message: Any = None

    #: The consumer.
    consumer: Any = None

    #: Returns what closes the socket of a message because of an error.
    closing: Callable[[Any, BaseException], list[Operation]] | None = None

    #: The transaction that stores what the consumer does.
    transaction: Transaction | None = None

    #: The joins and leaves that were carried out in a transaction.
    changes: list[Join | Leave] | None = None

    #: How many calls with ``@once`` have begun.
    runs = 0

    #: How many tasks were enqueued outside of a transaction.
    enqueued = 0

    #: The call with ``@once`` that is under way.
    once_run: object = None

    #: Takes back what the consumer has told its client, as its transaction failed with an error.
    retract: Callable[[BaseException], None] | None = None

    #: Why no call may have ``@once``.
    once_refused: str | None = None

    def __init__(
        self, layer: WorkerLayer, delivery: Delivery, rest: Rest = never_ended.wait
    ) -> None:
        self.layer = layer
        self.delivery = delivery
        self.rest = rest
        self.operations: list[Operation] = []
        self.size = 0  # bytes of all payloads
        self._answer_size = 0  # bytes that its server has to hold of the answer to a request
        self._answered = delivery.reply_channel if delivery.channel == REQUEST else None
        self.waited = 0.0  # for changes of groups (s)
        self.closed = False
        self.process = forks.current

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True
        _current.reset(self._token)

    def is_for(self, layer: WorkerLayer) -> bool:
        """Return whether operations on *layer* are part of this consumer's run."""
        return not self.closed and self.layer is layer and self.process is forks.current

    def change_groups(self, change: Join | Leave) -> None:
        """Carry out *change* now; wait while the layer is unavailable.

        If another worker has taken over the message, nothing happens, and the commit logs it.
        Raises :class:`ConsumeLater` if the process ends meanwhile: the message runs again. For a
        request that must not, it raises :class:`LayerUnavailable`.
        """
        self._carry_out(lambda: self.layer.change_groups(self.delivery, [change]))
        if self.changes is not None:
            self.changes.append(change)

    def resume(self, wanted: Resume) -> Joined:
        """Join a group with history now; wait and raise as :meth:`change_groups` does.

        If another worker has taken over the message, the result is a gap, which the commit drops.
        """
        joined = self._carry_out(lambda: self.layer.resume(wanted, self.delivery))
        if self.changes is not None:
            self.changes.append(Join(wanted.group, wanted.channel))
        return joined or Joined(OLDEST, is_gap=True)

    def _carry_out(self, change: Callable[[], Result]) -> Result:
        began = time.monotonic()
        try:
            return change()
        except LayerUnavailable as error:
            with without_seat():
                return self._carry_out_later(change, error)
        finally:
            self.waited += time.monotonic() - began

    def _carry_out_later(self, change: Callable[[], Result], error: LayerUnavailable) -> Result:
        backoff = Backoff(logger, f"Changing groups in {self.delivery.id}", 1.0)
        while True:
            if self.rest(backoff.failed(error)):
                if runs_once(self.delivery):
                    raise error
                raise ConsumeLater from error
            try:
                result = change()
            except LayerUnavailable as again:
                error = again
            else:
                backoff.succeeded()
                return result

    def keep(self, operation: Operation, layer: WorkerLayer) -> bool:
        """Keep *operation* on *layer* for the commit; return False if it does not wait for that.

        Sends wait. A closed socket has left its groups already, so its leaves wait, too. Raises
        :class:`OutboxFull` beyond one of the limits.
        """
        if self.closed or self.layer is not layer or self.process is not forks.current:
            return False
        size, limits = self.size, configuration()
        if isinstance(operation, SENDS):
            size += len(operation.payload)
        elif not self._is_of_closed_socket(operation):
            return False
        if len(self.operations) >= limits.OUTBOX_OPERATIONS or size > limits.OUTBOX_BYTES:
            raise OutboxFull(
                f"A consumer may send {limits.OUTBOX_OPERATIONS} times and "
                f"{limits.OUTBOX_BYTES} bytes; this would be number {len(self.operations) + 1}, "
                f"and {size} bytes. Split the work into messages to a channel of your own, or "
                "raise OUTBOX_OPERATIONS or OUTBOX_BYTES in CHANNEL_WORKERS."
            )
        if self._answered is not None and isinstance(operation, Send):
            self._count_answer(operation)
        self.operations.append(operation)
        self.size = size
        return True

    def _count_answer(self, sent: Send) -> None:
        """Bound what goes out with the commit to the client of a request: its server cuts more."""
        if sent.channel != self._answered:
            return
        size, limit = len(sent.payload) + STEP_COST, configuration().ANSWER_BYTES_WAITING
        if self._answer_size + size > limit:
            raise OutboxFull(
                f"A consumer may answer a request with {limit} bytes at its end, "
                "ANSWER_BYTES_WAITING, and this would be more. Send a response of Django in "
                "pieces, as its client takes them: AsgiHandler.send_response(message, response) of "
                "channels_workers.handler."
            )
        self._answer_size += size

    def refuse_at_once(self, operation: Operation, call: str) -> None:
        """Raise :class:`OnceRefused` for a send, by *call*, that cannot wait for a transaction."""
        if self.transaction is not None and isinstance(operation, SENDS):
            raise OnceRefused(
                f"{call} in a consumer with @once must wait for its transaction: without "
                "immediately=True, and on the layer of its message. For what may go out twice or "
                "never, use transaction.on_commit(..., robust=True) with immediately=True."
            )

    def _is_of_closed_socket(self, change: Join | Leave) -> bool:
        delivery = self.delivery
        is_closed = delivery.channel in (DISCONNECT, REQUEST_DISCONNECT)
        return is_closed and change.channel == delivery.reply_channel


def running() -> Outbox | None:
    """Return the outbox of the running consumer; None outside one, and in a fork of one."""
    outbox = _current.get()
    if outbox is None or outbox.closed or outbox.process is not forks.current:
        return None
    return outbox


def rest_of_consumer() -> Rest:
    """Return what waits between two attempts of the running consumer."""
    outbox = _current.get()
    return never_ended.wait if outbox is None else outbox.rest


def carry_out(
    layer: WorkerLayer, operation: Operation, immediately: bool = False, call: str = "carry_out"
) -> None:
    """Put a send into the outbox of the running consumer; carry out anything else now.

    A send goes out now, too, if *immediately* is true, outside a consumer, in a forked child of
    one, and on another layer than that of the message, because no commit spans two layers. *call*
    names the public method, such as ``Group.send``.
    """
    outbox = _current.get()
    if outbox is not None and not immediately and outbox.keep(operation, layer):
        return
    kind, _, method = call.rpartition(".")
    warn_in_event_loop(call, f"Await {kind}.a{method} there.")
    if isinstance(operation, SENDS) or outbox is None or not outbox.is_for(layer):
        if outbox is not None:
            outbox.refuse_at_once(operation, call)
        layer.apply([operation], quick=outbox is None)
        layer.announce_delayed([operation])
    else:
        outbox.change_groups(operation)


async def acarry_out(layer: WorkerLayer, operation: Operation, immediately: bool = False) -> None:
    """Do the same as :func:`carry_out` from a coroutine, without blocking its event loop."""
    outbox = _current.get()
    if outbox is not None and not immediately and outbox.keep(operation, layer):
        return
    if isinstance(operation, SENDS) or outbox is None or not outbox.is_for(layer):
        if outbox is not None:
            outbox.refuse_at_once(operation, "asend()")
        await layer.aapply([operation], quick=outbox is None)
        layer.announce_delayed([operation])
    else:
        await asyncio.to_thread(outbox.change_groups, operation)


def resume(layer: WorkerLayer, wanted: Resume) -> Joined:
    """Join a group with history now, as a join of :func:`carry_out` does."""
    warn_in_event_loop("Group.add", "Await Group.aadd there.")
    return _resume(layer, wanted, _current.get())


async def aresume(layer: WorkerLayer, wanted: Resume) -> Joined:
    """Do the same as :func:`resume` from a coroutine, without blocking its event loop."""
    return await asyncio.to_thread(_resume, layer, wanted, _current.get())


def _resume(layer: WorkerLayer, wanted: Resume, outbox: Outbox | None) -> Joined:
    if outbox is not None and outbox.is_for(layer):
        return outbox.resume(wanted)
    return layer.resume(wanted, quick=outbox is None) or Joined(OLDEST, is_gap=True)
