"""Runs the consumer of one delivery and commits what it did; workers and tests call it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine
from inspect import iscoroutine
from typing import Any, NamedTuple

from channels.db import aclose_old_connections

from channels_workers.backoff import Attempts
from channels_workers.conf import configuration
from channels_workers.exceptions import (
    ChannelFull,
    ChannelSocketException,
    DenyConnection,
    LayerUnavailable,
    MessageError,
)
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import (
    CONNECT,
    Committed,
    Delivery,
    Operation,
    Send,
    Session,
)
from channels_workers.message import Message
from channels_workers.outbox import open_outbox
from channels_workers.protocol import shown
from channels_workers.routing import Match, Router, name_of
from channels_workers.sessions import ChannelSession
from channels_workers.signals import consumer_finished, consumer_started

logger = logging.getLogger(__name__)

#: Runs a coroutine to its end and returns its result.
RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]


class Outcome(NamedTuple):
    """What a consumer did to the layer."""

    operations: list[Operation]
    session: Session | None = None


def dispatch(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Committed:
    """Run the consumer that *router* finds for *delivery*, then commit.

    Whatever the consumer raises is logged and harms this message only; what it sent before
    still goes out.
    """
    try:
        outcome = run(delivery, layer, router, run_coroutine)
    except Exception:
        logger.exception("Running message %s on %s failed", delivery.id, delivery.channel)
        outcome = Outcome([])
    try:
        return commit(delivery, layer, outcome)
    except Exception:
        logger.exception(
            "What message %s on %s did cannot be committed; it is finished without",
            delivery.id,
            delivery.channel,
        )
        return commit(delivery, layer, Outcome([]))


def run(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Outcome:
    """Run the consumer of *delivery*; return what it did."""
    try:
        message = Message(layer.content(delivery), delivery.channel, layer, delivery)
        match = router.match(message)
    except Exception:
        logger.exception("Cannot route message %s on %s", delivery.id, delivery.channel)
        return Outcome([])
    if match is None:
        logger.error(
            "No route for message %s on %s; look at CHANNEL_ROUTING", delivery.id, delivery.channel
        )
        return Outcome([])
    with open_outbox(layer) as outbox:
        _run_consumer(message, match, run_coroutine)
    return Outcome(outbox.operations, _session(message, match))


def _run_consumer(message: Message, match: Match, run_coroutine: RunCoroutine) -> None:
    try:
        consumer_started.send(sender=dispatch, environ={})
        result = match.consumer(message, **match.kwargs)
        if iscoroutine(result):
            run_coroutine(_with_database_care(result))
    except DenyConnection:
        _deny(message, match)
    except ChannelSocketException as exception:
        _run_exception(exception, message, match)
    except BaseException:  # noqa: BLE001  (sys.exit() in a consumer harms one message only)
        _log_failure(message, match)
    finally:
        _send_finished()


def _send_finished() -> None:
    for receiver, error in consumer_finished.send_robust(sender=dispatch):
        if error is not None:
            logger.error("%r of consumer_finished failed", receiver, exc_info=error)


async def _with_database_care(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # Coroutines reach the database on a thread of their own, which the signals do not see.
    await aclose_old_connections()
    try:
        return await coroutine
    finally:
        await aclose_old_connections()


def _deny(message: Message, match: Match) -> None:
    if message.channel.name != CONNECT or message.reply_channel is None:
        logger.error(
            "%s raised DenyConnection on %s; only websocket.connect consumers may.",
            name_of(match.consumer),
            message.channel,
        )
        return
    message.reply_channel.send({"close": True})


def _run_exception(exception: ChannelSocketException, message: Message, match: Match) -> None:
    try:
        exception.run(message)
    except Exception:  # noqa: BLE001  (it is logged)
        _log_failure(message, match)


def _log_failure(message: Message, match: Match) -> None:
    logger.exception(
        "Consumer %s failed on %s, path %s, message %s",
        name_of(match.consumer),
        message.channel,
        shown(str(message.get("path", "-"))),
        message.id,
    )


def _session(message: Message, match: Match) -> Session | None:
    session: ChannelSession | None = getattr(message, "channel_session", None)
    if session is None or not session.modified:
        return None
    try:
        return session.encoded()
    except MessageError:
        _log_failure(message, match)
        return None


def commit(delivery: Delivery, layer: WorkerLayer, outcome: Outcome) -> Committed:
    """Commit *outcome*; wait while the layer is away, and for a while when a channel is full."""
    unavailable = Attempts(logger, f"Committing {delivery.id}")
    deadline = time.monotonic() + configuration().FULL_TIMEOUT
    operations, full = outcome.operations, Attempts(logger, f"Committing {delivery.id}", 0.2)
    while True:
        try:
            committed = layer.commit(delivery, operations, outcome.session)
        except LayerUnavailable as error:
            time.sleep(unavailable.failed(error))
        except ChannelFull as error:
            if time.monotonic() < deadline:
                time.sleep(full.failed(error))
            else:
                operations = _without(operations, error.channel, delivery)
        else:
            unavailable.succeeded()
            if committed is not Committed.DONE:
                logger.warning("Message %s was finished elsewhere", delivery.id)
            return committed


def _without(operations: list[Operation], channel: str, delivery: Delivery) -> list[Operation]:
    kept = [item for item in operations if not (isinstance(item, Send) and item.channel == channel)]
    logger.error(
        "Channel %s stayed full: %d messages that %s (message %s) sent there are lost. Run more "
        "workers for it, raise its capacity, or send with immediately=True and handle ChannelFull.",
        channel,
        len(operations) - len(kept),
        delivery.channel,
        delivery.id,
    )
    return kept
