"""Commits what the consumer of a delivery did, or puts the delivery back; waits where it must."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from channels_workers.backoff import Attempts
from channels_workers.conf import configuration
from channels_workers.exceptions import ChannelFull, LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    CONNECT,
    Committed,
    Delivery,
    Finished,
    Send,
)
from channels_workers.logs import about
from channels_workers.transient import is_retried
from channels_workers.worker.retries import (
    GIVEN_UP,
    Failures,
    is_last,
    reason_of,
    refusal,
)

logger = logging.getLogger(__name__)


#: Waits so many seconds, or until the process has ended, and says whether it has.
Rest = Callable[[float], bool]

never_ended = threading.Event()


class Ended(Exception):
    """The process has ended before a commit was possible: its message runs again elsewhere."""


def finish(finished: Finished, layer: WorkerLayer, rest: Rest = never_ended.wait) -> Committed:
    """Commit what is *finished*, or, if that can never be, finish its message without.

    *rest* is how to wait between two attempts; raises :class:`Ended`.
    """
    delivery = finished.delivery
    try:
        return commit(finished, layer, rest)
    except Ended:
        raise
    except Exception:
        logger.exception(
            "What message %s on %s did cannot be committed; it is finished without",
            delivery.id,
            delivery.channel,
            extra=about("commit_refused", delivery),
        )
        return commit(undone(delivery, layer), layer, rest)


def undone(delivery: Delivery, layer: WorkerLayer) -> Finished:
    """Return what finishes *delivery* without what its consumer did; a handshake is refused."""
    return Finished(delivery, refusal(delivery.reply_channel, delivery.channel, layer))


def commit(finished: Finished, layer: WorkerLayer, rest: Rest = never_ended.wait) -> Committed:
    """Commit; wait while the layer is away, and for a while when a channel is full.

    As :func:`finish` it raises :class:`Ended`.
    """
    delivery = finished.delivery
    unavailable = Attempts(logger, f"Committing {delivery.id}", 1.0)
    deadline = time.monotonic() + configuration().FULL_TIMEOUT
    full = Attempts(logger, f"Committing {delivery.id}", 0.2)
    while True:
        try:
            committed = layer.commit(finished)
        except LayerUnavailable as error:
            if rest(unavailable.failed(error)):
                raise Ended(f"Message {delivery.id} is not committed: {error}") from error
        except ChannelFull as error:
            if time.monotonic() < deadline:
                if rest(full.failed(error)):
                    raise Ended(f"Message {delivery.id} is not committed: {error}") from error
            else:
                finished = _without(finished, error.channel)
        else:
            unavailable.succeeded()
            note(committed, delivery)
            return committed


def note(committed: Committed, delivery: Delivery) -> None:
    """Log if *delivery* was not ours any more."""
    if committed is not Committed.DONE:
        extra = about("finished_elsewhere", delivery)
        logger.warning("Message %s was finished elsewhere", delivery.id, extra=extra)


def _without(finished: Finished, channel: str) -> Finished:
    delivery, operations, _ = finished
    kept = [item for item in operations if not (isinstance(item, Send) and item.channel == channel)]
    logger.error(
        "Channel %s stayed full: %d messages that %s (message %s) sent there are lost. Run more "
        "workers for it, raise its capacity, or send with immediately=True and handle ChannelFull.",
        channel,
        len(operations) - len(kept),
        delivery.channel,
        delivery.id,
        extra=about("channel_full", delivery),
    )
    return finished._replace(operations=kept)


def put_back(
    delivery: Delivery,
    layer: WorkerLayer,
    error: BaseException | None = None,
    failures: Failures | None = None,
) -> Committed:
    """Let *delivery* run again behind those that wait, unless it has too often.

    *error* is what its consumer raised, by default ConsumeLater; *failures* is told of the end.
    """
    if is_retried(error):
        return _put_back_failed(delivery, layer, error, failures or Failures())
    if not is_last(delivery, error):
        return layer.requeue(delivery, counted=True)
    return dead_letter(delivery, layer, reason_of(delivery, error))


def dead_letter(delivery: Delivery, layer: WorkerLayer, reason: str) -> Committed:
    """Make *delivery* a dead letter, and log it."""
    committed = layer.dead_letter(delivery, reason)
    extra = about("dead_letter", delivery)
    logger.error(f"{GIVEN_UP}: %s", delivery.id, delivery.channel, reason, extra=extra)
    return committed


def _put_back_failed(
    delivery: Delivery, layer: WorkerLayer, error: BaseException, failures: Failures
) -> Committed:
    if not is_last(delivery, error):
        return layer.requeue(delivery, counted=True, failed=True)
    if delivery.channel == CONNECT:  # nothing in it is worth to be kept
        committed = layer.commit(undone(delivery, layer))
    else:
        committed = layer.dead_letter(delivery, reason_of(delivery, error))
    failures.gave_up(delivery, error)
    return committed
