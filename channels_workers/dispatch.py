"""Runs the consumer of one delivery and collects what it did; workers and tests call it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from inspect import iscoroutine
from typing import Any, NamedTuple

from channels.db import aclose_old_connections

from channels_workers.exceptions import (
    AcceptConnection,
    ChannelSocketException,
    ConsumeLater,
    DenyConnection,
    MessageError,
)
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import (
    CONNECT,
    Delivery,
    Finished,
    Operation,
    Session,
)
from channels_workers.logs import about, fields
from channels_workers.message import Message
from channels_workers.outbox import Outbox
from channels_workers.protocol import shown
from channels_workers.routing import Match, Router, name_of
from channels_workers.session_stores import ChannelSession
from channels_workers.signals import consumer_finished, consumer_started

logger = logging.getLogger(__name__)

#: Runs a coroutine to its end and returns its result.
RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]


class Outcome(NamedTuple):
    """What a consumer did to the layer, what it returned, and what it raised.

    *error* may also say why its channel session cannot be saved.
    """

    operations: list[Operation]
    session: Session | None = None
    result: Any = None
    error: BaseException | None = None

    @property
    def is_put_off(self) -> bool:
        """Whether the consumer asked to run again later, so that nothing is to be committed."""
        return isinstance(self.error, ConsumeLater)

    def of(self, delivery: Delivery) -> Finished:
        """Return what is to be committed, as *delivery* has run."""
        return Finished(delivery, self.operations, self.session)


def dispatch(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Outcome:
    """Run the consumer that *router* finds for *delivery*; return what is to be committed.

    Whatever the consumer raises is logged and harms this message only; what it sent before
    still goes out. After ConsumeLater the caller is to put the delivery back after a while, and
    else to finish it; see :mod:`channels_workers.commits`.
    """

    def run_with_care(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return run_coroutine(_with_database_care(coroutine))

    try:
        return run(delivery, layer, router, run_with_care)
    except Exception:
        logger.exception(
            "Running message %s on %s failed",
            delivery.id,
            delivery.channel,
            extra=about("message_failed", delivery),
        )
        return Outcome([])


def run(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Outcome:
    """Run the consumer of *delivery*; return what it did. What it raises is logged."""
    try:
        message = Message(layer.content(delivery), delivery.channel, layer, delivery)
        match = router.match(message)
    except Exception:
        logger.exception(
            "Cannot route message %s on %s",
            delivery.id,
            delivery.channel,
            extra=about("not_routed", delivery),
        )
        return Outcome([])
    if match is None:
        logger.error(
            "No route for message %s on %s; look at CHANNEL_ROUTING",
            delivery.id,
            delivery.channel,
            extra=about("not_routed", delivery),
        )
        return Outcome([])
    result, error = None, None
    with Outbox(layer) as outbox:
        try:
            result = _run_consumer(message, match, run_coroutine)
        except BaseException as raised:  # noqa: BLE001  (sys.exit() harms one message only)
            error = _answer(raised, message, match)
        finally:
            _send_finished()
    session, refused = _session(message, match)
    return Outcome(outbox.operations, session, result, error or refused)


def _run_consumer(message: Message, match: Match, run_coroutine: RunCoroutine) -> Any:
    consumer_started.send(sender=dispatch, environ={})
    result = match.consumer(message, **match.kwargs)
    return run_coroutine(result) if iscoroutine(result) else result


def _send_finished() -> None:
    for receiver, error in consumer_finished.send_robust(sender=dispatch):
        if error is not None:
            text = "%r of consumer_finished failed"
            logger.error(text, receiver, exc_info=error, extra=fields("receiver_failed"))


async def _with_database_care(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # Coroutines reach the database on a thread of their own, which the signals do not see.
    try:
        await aclose_old_connections()
    except BaseException:
        coroutine.close()
        raise
    try:
        return await coroutine
    finally:
        await aclose_old_connections()


def _answer(raised: BaseException, message: Message, match: Match) -> BaseException | None:
    """Do what the exception asks for; return it unless that was all that it is for."""
    match raised:
        case ConsumeLater():
            return raised
        case AcceptConnection() | DenyConnection():
            return _answer_handshake(raised, message, match)
        case ChannelSocketException():
            try:
                raised.run(message)
            except Exception as error:  # noqa: BLE001  (it is logged)
                _log_failure(error, message, match)
                return error
            return None
    _log_failure(raised, message, match)
    return raised


def _answer_handshake(
    raised: AcceptConnection | DenyConnection, message: Message, match: Match
) -> BaseException | None:
    if message.channel.name != CONNECT or message.reply_channel is None:
        logger.error(
            "%s raised %s on %s; only websocket.connect consumers may.",
            name_of(match.consumer),
            type(raised).__name__,
            message.channel,
            extra=_about("consumer_failed", message, match),
        )
        return raised
    if isinstance(raised, AcceptConnection):
        message.reply_channel.send({"accept": True})
        return None
    logger.info(
        "%s refuses the socket %s",
        name_of(match.consumer),
        shown(str(message.get("path", "-"))),
        extra=_about("socket_refused", message, match),
    )
    message.reply_channel.send({"close": True})
    return raised


def _log_failure(error: BaseException, message: Message, match: Match) -> None:
    logger.error(
        "Consumer %s failed on %s, path %s, message %s",
        name_of(match.consumer),
        message.channel,
        shown(str(message.get("path", "-"))),
        message.id,
        exc_info=error,
        extra=_about("consumer_failed", message, match),
    )


def _about(event: str, message: Message, match: Match) -> dict[str, str | int]:
    return fields(
        event,
        channel=message.channel.name,
        connection=message.reply_channel.name if message.reply_channel else None,
        consumer=name_of(match.consumer),
        message_id=message.id,
        path=shown(str(message["path"])) if "path" in message else None,
    )


def _session(message: Message, match: Match) -> tuple[Session | None, MessageError | None]:
    """Return the channel session if it is to be saved, or why it cannot be, which is logged."""
    session = getattr(message, "channel_session", None)
    if not isinstance(session, ChannelSession) or not session.modified:
        return None, None
    try:
        return session.encoded(), None
    except MessageError as error:
        _log_failure(error, message, match)
        return None, error
