"""Runs the consumer of one delivery and collects what it did; workers and tests call it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from inspect import iscoroutine
from typing import Any, NamedTuple

from channels_workers.exceptions import (
    AcceptConnection,
    ChannelSocketException,
    DenyConnection,
    MessageError,
)
from channels_workers.interface.replies import is_answer, shown
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import (
    CONNECT,
    Delivery,
    Finished,
    Operation,
    Send,
    Session,
)
from channels_workers.logs import about, fields
from channels_workers.message import Message
from channels_workers.outbox import Outbox
from channels_workers.routing import Match, Router, name_of
from channels_workers.session_stores import ChannelSession
from channels_workers.signals import consumer_finished, consumer_started
from channels_workers.transient import is_put_off
from channels_workers.worker.isolation import (
    close_unusable_connections,
    end_transactions,
    open_transactions,
    own_context,
    with_database_care,
)
from channels_workers.worker.retries import refusal

logger = logging.getLogger(__name__)

#: Runs a coroutine to its end and returns its result.
RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]


class Outcome(NamedTuple):
    """What a consumer did to the layer, what it returned, and what it raised.

    *error* may also say why its channel session cannot be saved. No consumer runs for a message
    that is *unreadable*.
    """

    operations: list[Operation]
    session: Session | None = None
    result: Any = None
    error: BaseException | None = None
    unreadable: MessageError | None = None

    @property
    def is_put_off(self) -> bool:
        """Whether the consumer is to run again later, so that nothing is to be committed."""
        return is_put_off(self.error)

    def of(self, delivery: Delivery) -> Finished:
        """Return what is to be committed, as *delivery* has run."""
        return Finished(delivery, self.operations, self.session)


def dispatch(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Outcome:
    """Run the consumer that *router* finds for *delivery*; return what is to be committed.

    Whatever the consumer raises is logged and harms this message only; what it sent before
    still goes out. An outcome that is put off (after ConsumeLater, or an exception of ``RETRY_ON``,
    which is not logged here) the caller is to put back after a while, an unreadable one to give up,
    any other one to finish; see :mod:`channels_workers.worker.commit`.
    """

    def run_with_care(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return run_coroutine(with_database_care(coroutine, delivery.channel))

    try:
        return run(delivery, layer, router, run_with_care)
    except Exception:
        logger.exception(
            "Running message %s on %s failed",
            delivery.id,
            delivery.channel,
            extra=about("message_failed", delivery),
        )
        return Outcome(refusal(delivery.reply_channel, delivery.channel, layer))


def run(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Outcome:
    """Run the consumer of *delivery*; return what it did. What it raises is logged.

    It runs in a context of its own: a language, a time zone or a context variable that it sets is
    not there for the next one on this thread, nor is a transaction that it left open.
    """
    return own_context().run(_run, delivery, layer, router, run_coroutine)


def _run(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Outcome:
    try:
        content = layer.content(delivery)
    except MessageError as error:
        return Outcome([], error=error, unreadable=error)
    try:
        message = Message(content, delivery.channel, layer, delivery)
        match = router.match(message)
    except Exception as error:  # noqa: BLE001  (it is logged, or looked at)
        return _not_routed(error, delivery, layer)
    if match is None:
        logger.error(
            "No route for message %s on %s; look at CHANNEL_ROUTING",
            delivery.id,
            delivery.channel,
            extra=about("not_routed", delivery),
        )
        return Outcome([])
    return _consume(message, match, run_coroutine)


def _consume(message: Message, match: Match, run_coroutine: RunCoroutine) -> Outcome:
    result, error = None, None
    began_in = open_transactions()
    with Outbox(message.channel_layer) as outbox:
        try:
            result = _run_consumer(message, match, run_coroutine)
        except BaseException as raised:  # noqa: BLE001  (sys.exit() harms one message only)
            error = _answer(raised, message, match)
        finally:
            end_transactions(began_in, name_of(match.consumer))
            _send_finished()
    operations = outbox.operations
    if is_put_off(error):
        return Outcome(operations, None, result, error)
    session, refused = _session(message, match)
    error = error or refused
    if error is not None:
        operations = [*operations, *_refusal(message, operations)]
    return Outcome(operations, session, result, error)


def _not_routed(error: Exception, delivery: Delivery, layer: WorkerLayer) -> Outcome:
    close_unusable_connections()  # as the signals around a consumer do
    if is_put_off(error):
        return Outcome([], error=error)
    logger.error(
        "Cannot route message %s on %s",
        delivery.id,
        delivery.channel,
        exc_info=error,
        extra=about("not_routed", delivery),
    )
    return Outcome(refusal(delivery.reply_channel, delivery.channel, layer))


def _refusal(message: Message, operations: Sequence[Operation]) -> list[Operation]:
    """Return what refuses the handshake *message*, unless one of *operations* answers it."""
    layer, channel = message.channel_layer, message.reply_channel
    if channel is None or message.channel.name != CONNECT:
        return []
    sent = (
        layer.codec.decode(each.payload)
        for each in operations
        if isinstance(each, Send) and each.channel == channel.name
    )
    return [] if any(map(is_answer, sent)) else refusal(channel.name, CONNECT, layer)


def _run_consumer(message: Message, match: Match, run_coroutine: RunCoroutine) -> Any:
    consumer_started.send(sender=dispatch, environ={})
    result = match.consumer(message, **match.kwargs)
    return run_coroutine(result) if iscoroutine(result) else result


def _send_finished() -> None:
    for receiver, error in consumer_finished.send_robust(sender=dispatch):
        if error is not None:
            text = "%r of consumer_finished failed"
            logger.error(text, receiver, exc_info=error, extra=fields("receiver_failed"))


def _answer(raised: BaseException, message: Message, match: Match) -> BaseException | None:
    """Do what the exception asks for; return it unless that was all that it is for."""
    if is_put_off(raised):
        return raised
    match raised:
        case AcceptConnection() | DenyConnection():
            return _answer_handshake(raised, message, match)
        case ChannelSocketException():
            try:
                raised.run(message)
            except Exception as error:  # noqa: BLE001  (it is logged)
                if not is_put_off(error):
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
