"""Commits what the consumer of a delivery did, or puts the delivery back; waits where it must."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from channels_workers import recorder
from channels_workers.backoff import Backoff
from channels_workers.conf import configuration
from channels_workers.exceptions import ChannelFull, LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    DELAY,
    Committed,
    Delivery,
    Finished,
    Operation,
    Send,
    SendLater,
)
from channels_workers.outbox import Rest, never_ended
from channels_workers.transient import is_retried
from channels_workers.worker.log_fields import delivery_fields
from channels_workers.worker.retries import (
    DEAD_LETTER,
    Failures,
    is_answered,
    is_last,
    reason_of,
    refusal,
)

logger = logging.getLogger(__name__)

#: Called with the layer and the operations that a full channel has dropped.
on_dropped: list[Callable[[WorkerLayer, Sequence[Operation]], None]] = []

NOT_HELD = "Message %s does not run: its worker was frozen, and another one has answered its client"


class NotHeld(Exception):
    """The worker counted as dead meanwhile, and the message was finished without it."""


class Ended(Exception):
    """The process ended before a commit was possible: its message runs again elsewhere."""


def finish(finished: Finished, layer: WorkerLayer, rest: Rest = never_ended.wait) -> Committed:
    """Commit *finished*; if that is impossible, finish its message without the consumer's effects.

    *rest* waits between two attempts. Raises :class:`Ended`.
    """
    delivery = finished.delivery
    try:
        return commit(finished, layer, rest)
    except Ended:
        raise
    except Exception:
        logger.exception(
            "Cannot commit the effects of message %s on %s; it is finished without them",
            delivery.id,
            delivery.channel,
            extra=delivery_fields("commit_refused", delivery),
        )
        return commit(undone(delivery, layer), layer, rest)


def undone(delivery: Delivery, layer: WorkerLayer) -> Finished:
    """Return a commit of *delivery* without its consumer's effects; it refuses its connection."""
    return Finished(delivery, refusal(delivery.reply_channel, delivery.channel, layer))


def commit(finished: Finished, layer: WorkerLayer, rest: Rest = never_ended.wait) -> Committed:
    """Commit; wait while the layer is unavailable, and for a while when a channel is full.

    *rest* and errors are those of :func:`finish`.
    """
    delivery = finished.delivery
    unavailable = Backoff(logger, f"Committing {delivery.id}", 1.0)
    deadline = time.monotonic() + configuration().FULL_TIMEOUT
    full = Backoff(logger, f"Committing {delivery.id}", 0.2)
    while True:
        try:
            committed = layer.commit(finished)
        except LayerUnavailable as error:
            _wait(unavailable.failed(error), rest, delivery, error)
        except ChannelFull as error:
            if time.monotonic() < deadline:
                _wait(full.failed(error), rest, delivery, error)
            else:
                finished = _without(finished, error.channel, layer)
        else:
            unavailable.succeeded()
            if committed is not Committed.DONE:
                log_stale(delivery)
            layer.announce_delayed(finished.operations)
            return committed


def _wait(seconds: float, rest: Rest, delivery: Delivery, error: Exception) -> None:
    if rest(seconds):
        raise Ended(f"Message {delivery.id} is not committed: {error}") from error


def check_held(delivery: Delivery, layer: WorkerLayer, rest: Rest = never_ended.wait) -> None:
    """Raise :class:`NotHeld`, and log it, if the consumer of *delivery* does not hold it any more.

    This asks the layer, and waits while it is unavailable. *rest* and other errors are those of
    :func:`finish`.
    """
    unavailable = Backoff(logger, f"Looking who has {delivery.id}", 1.0)
    while True:
        try:
            held = layer.change_groups(delivery, [])
        except LayerUnavailable as error:
            _wait(unavailable.failed(error), rest, delivery, error)
        else:
            unavailable.succeeded()
            break
    if held is not Committed.DONE:
        logger.warning(NOT_HELD, delivery.id, extra=delivery_fields("finished_elsewhere", delivery))
        raise NotHeld(delivery.id)


def quarantine(delivery: Delivery, layer: WorkerLayer, rest: Rest = never_ended.wait) -> bool:
    """Let *layer* note that *delivery* begins to run in quarantine; return whether it may run.

    It may not if its consumer does not hold it any more, which is logged, or if *rest*, which waits
    between two attempts, says that the process has ended.
    """
    failing = Backoff(logger, f"Beginning {delivery.id}", 1.0)
    while True:
        try:
            held = layer.quarantine(delivery)
        except Exception as error:  # noqa: BLE001  (logged; without the note it must not run)
            if rest(failing.failed(error)):
                return False
        else:
            failing.succeeded()
            break
    if held is not Committed.DONE:
        log_stale(delivery)
    return held is Committed.DONE


def log_stale(delivery: Delivery) -> None:
    """Log that another worker finished *delivery* before."""
    extra = delivery_fields("finished_elsewhere", delivery)
    logger.warning("Message %s was finished elsewhere", delivery.id, extra=extra)


def _without(finished: Finished, channel: str, layer: WorkerLayer) -> Finished:
    delivery, operations = finished.delivery, finished.operations
    kept = [item for item in operations if not _goes_to(item, channel)]
    dropped = [item for item in operations if _goes_to(item, channel)]
    logger.error(
        "Channel %s stayed full: %d messages that %s (message %s) sent there are lost. Run more "
        "workers for it, raise its capacity, or send with immediately=True and handle ChannelFull.",
        channel,
        len(dropped),
        delivery.channel,
        delivery.id,
        extra=delivery_fields("channel_full", delivery),
    )
    for listener in on_dropped:
        try:
            listener(layer, dropped)
        except Exception:
            text = "%r of dropped sends failed"
            logger.exception(text, listener, extra=delivery_fields("receiver_failed", delivery))
    return finished._replace(operations=kept)


def _goes_to(operation: Operation, channel: str) -> bool:
    """Return whether *operation* sends to *channel*; delayed messages wait in ``asgi.delay``."""
    if isinstance(operation, SendLater):
        return channel == DELAY
    return isinstance(operation, Send) and operation.channel == channel


def put_back(
    delivery: Delivery,
    layer: WorkerLayer,
    error: BaseException | None = None,
    failures: Failures | None = None,
) -> Committed:
    """Let *delivery* run again behind waiting messages; after too many runs, dead-letter it.

    *error* is what its consumer raised, by default ConsumeLater; *failures* logs its last failure.
    """
    if is_retried(error):
        return _put_back_failed(delivery, layer, error, failures or Failures())
    if not is_last(delivery, error):
        return layer.requeue(delivery, counted=True)
    return dead_letter(delivery, layer, reason_of(delivery, error))


def dead_letter(delivery: Delivery, layer: WorkerLayer, reason: str) -> Committed:
    """Make *delivery* a dead letter, and log it."""
    committed = layer.dead_letter(delivery, reason)
    if committed is Committed.DONE:
        note_dead_letter(delivery.channel)
    extra = delivery_fields("dead_letter", delivery)
    logger.error(f"{DEAD_LETTER}: %s", delivery.id, delivery.channel, reason, extra=extra)
    return committed


def note_dead_letter(channel: str) -> None:
    """Count a dead letter of *channel*, if this process has metrics."""
    if (found := recorder.current()) is not None:
        found.worker.dead_lettered(channel)


def _put_back_failed(
    delivery: Delivery, layer: WorkerLayer, error: BaseException, failures: Failures
) -> Committed:
    if not is_last(delivery, error):
        return layer.requeue(delivery, counted=True, failed=True)
    if is_answered(delivery.channel):  # what the client sees is worth no dead letter
        committed = layer.commit(undone(delivery, layer))
    else:
        committed = layer.dead_letter(delivery, reason_of(delivery, error))
        if committed is Committed.DONE:
            note_dead_letter(delivery.channel)
    failures.ended(delivery, error)
    return committed
