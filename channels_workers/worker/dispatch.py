"""Runs the consumer of one delivery and collects its effects; for workers and test clients."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterator, Sequence
from contextvars import copy_context
from inspect import isasyncgen, iscoroutine, isgenerator
from typing import Any, NamedTuple

from django.conf import settings

from channels_workers.conf import configuration
from channels_workers.context import current_outbox
from channels_workers.databases import here
from channels_workers.exceptions import (
    AcceptConnection,
    ChannelSocketException,
    DenyConnection,
    MessageError,
)
from channels_workers.handler import error_content
from channels_workers.http.responses import is_last_part
from channels_workers.interface.close_codes import CONSUMER_FAILED
from channels_workers.interface.replies import fitting_reason, is_answer
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    CONNECT,
    RECEIVE,
    REQUEST,
    RESUME,
    Delivery,
    Operation,
    ReplyKind,
    Send,
    Session,
    kind_of,
)
from channels_workers.log_limits import flood
from channels_workers.logs import described, fields, name_of, shown
from channels_workers.message import Consumer, Message
from channels_workers.middleware import RunCoroutine
from channels_workers.outbox import Outbox, Rest, never_ended
from channels_workers.routing import Match, Router
from channels_workers.session_stores import ChannelSession
from channels_workers.signals import consumer_finished, consumer_started
from channels_workers.tracing import hooks
from channels_workers.transient import is_put_off, is_retried
from channels_workers.worker.event_loop import ConsumerTimedOut
from channels_workers.worker.hints import add_cure, note_result
from channels_workers.worker.isolation import (
    close_unusable_connections,
    end_transactions,
    open_caches,
    open_transactions,
    with_database_care,
)
from channels_workers.worker.log_fields import delivery_fields, note_request_id
from channels_workers.worker.retries import is_answered, refusal

logger = logging.getLogger(__name__)
logger.addFilter(flood)  # its lines can come with each frame of a client, without end

GENERATOR = (
    "The consumer is a generator: a call makes a generator object, and runs none of its code. Send "
    "in the function instead of `yield`"
)


class Outcome(NamedTuple):
    """The effects of a consumer on the layer, its *result*, and its *error*.

    *error* may also be the reason why the channel session cannot be saved, or why the message is
    *unreadable*: no consumer runs for it. It *is_final* if the message does not run again, whatever
    the error. The request *ends* with the commit, as its response is complete. For changes of
    groups it *waited* so many seconds. *consumer* is the one that ran, None if none did. *trace*
    belongs to the tracing.
    """

    operations: list[Operation]
    session: Session | None = None
    result: Any = None
    error: BaseException | None = None
    unreadable: MessageError | None = None
    is_final: bool = False
    ends: bool = False
    waited: float = 0.0
    consumer: Consumer | None = None
    trace: object = None

    @property
    def is_put_off(self) -> bool:
        """Whether the consumer runs again later, and nothing is committed now."""
        return not self.is_final and is_put_off(self.error)


def dispatch(
    delivery: Delivery,
    layer: WorkerLayer,
    router: Router,
    run_coroutine: RunCoroutine,
    rest: Rest = never_ended.wait,
) -> Outcome:
    """Run the consumer that *router* finds for *delivery*; return the outcome, not committed yet.

    Errors of the consumer are logged and harm this message only; what it sent before still goes
    out. The caller dead-letters an unreadable message and puts back, after a while, one that is put
    off: after ConsumeLater, or an exception of ``RETRY_ON``, which is not logged here. It commits
    any other outcome; see :mod:`channels_workers.worker.commit`. *rest* waits between two attempts
    to change groups.
    """

    def run_with_care(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return run_coroutine(with_database_care(coroutine, delivery.channel))

    try:
        return copy_context().run(_run, delivery, layer, router, run_with_care, rest)
    except Exception:
        logger.exception(
            "Running message %s on %s failed",
            delivery.id,
            delivery.channel,
            extra=delivery_fields("message_failed", delivery),
        )
        return Outcome(refusal(delivery.reply_channel, delivery.channel, layer))


def run(
    delivery: Delivery, layer: WorkerLayer, router: Router, run_coroutine: RunCoroutine
) -> Outcome:
    """Run the consumer of *delivery* and return the outcome. Its errors are logged.

    It runs in a context of its own. The next consumer on this thread sees none of its context
    variables, no language or time zone that it activated, and no transaction that it left open.
    """
    open_caches()
    return copy_context().run(_run, delivery, layer, router, run_coroutine)


def _run(
    delivery: Delivery,
    layer: WorkerLayer,
    router: Router,
    run_coroutine: RunCoroutine,
    rest: Rest = never_ended.wait,
) -> Outcome:
    try:
        content = layer.content(delivery)
    except MessageError as error:
        return Outcome([], error=error, unreadable=error)
    carrier = content.pop(hooks.CARRIER, None)
    if "request_id" in content:
        note_request_id(delivery, content["request_id"])
    try:
        message = Message(content, delivery.channel, layer, delivery)
        match = router.match_or_default(message)
    except Exception as error:  # noqa: BLE001  (logged, or put off)
        return _not_routed(error, delivery, layer)
    if match is None:
        logger.error(
            "No route for message %s on %s; add one to CHANNEL_ROUTING",
            delivery.id,
            delivery.channel,
            extra=delivery_fields("not_routed", delivery),
        )
        return Outcome(refusal(delivery.reply_channel, delivery.channel, layer))
    outbox = Outbox(layer, delivery, rest)
    outbox.message, outbox.consumer, outbox.closing = message, match.consumer, _closing
    run = match.consumer
    if router.middleware is not None:
        run = router.middleware.around(run, name_of(run), run_coroutine)
    consume = _consume if hooks.active is None else hooks.active.around(_consume, carrier)
    outcome = consume(message, match, run, run_coroutine, outbox)
    if delivery.channel == REQUEST and not router.hears_ends:
        return outcome._replace(ends=_completes(message, outcome.operations))
    return outcome


def _consume(
    message: Message, match: Match, run: Consumer, run_coroutine: RunCoroutine, outbox: Outbox
) -> Outcome:
    result, error, saved = None, None, None
    began_in = open_transactions() if here.databases else []
    token = current_outbox.set(outbox)
    try:
        consumer_started.send(sender=dispatch, environ={}, message=message, consumer=match.consumer)
        result = run(message, **match.kwargs)
        if result is not None:
            result = _completed(result, run_coroutine, match.consumer)
    except BaseException as raised:  # noqa: BLE001  (sys.exit() harms one message only)
        error = _answer(raised, message, match)
    finally:
        try:
            if here.databases and open_transactions() != began_in:
                end_transactions(began_in, name_of(match.consumer))
            _send_finished(message, match, error)
        finally:
            outbox.closed = True
            current_outbox.reset(token)
    is_final = False
    if error is not None and is_put_off(error):
        if not (is_final := _runs_once(message, error)):
            return Outcome(
                outbox.operations,
                None,
                result,
                error,
                waited=outbox.waited,
                consumer=match.consumer,
            )
        _log_failure(error, message, match)
    session = getattr(message, "channel_session", None)
    if isinstance(session, ChannelSession) and session.modified:
        saved, unsaved = _encoded(session, message, match)
        error = error or unsaved
    if error is not None:
        refused = _refusal(message, outbox.operations, error)
        outbox.operations += refused or _closing(message, error)
    return Outcome(
        outbox.operations,
        saved,
        result,
        error,
        is_final=is_final,
        waited=outbox.waited,
        consumer=match.consumer,
    )


def _completed(result: Any, run_coroutine: RunCoroutine, consumer: Consumer) -> Any:
    """Return what a consumer returns in the end; TypeError if it would never run."""
    if isgenerator(result) or isasyncgen(result):
        raise TypeError(GENERATOR)
    if iscoroutine(result):
        result = run_coroutine(result)
    if result is not None:
        note_result(consumer, result)
    return result


def _not_routed(error: Exception, delivery: Delivery, layer: WorkerLayer) -> Outcome:
    close_unusable_connections()  # as the signals around a consumer do
    if is_put_off(error):
        return Outcome([], error=error)
    logger.error(
        "Cannot route message %s on %s",
        delivery.id,
        delivery.channel,
        exc_info=error,
        extra=delivery_fields("not_routed", delivery),
    )
    return Outcome(refusal(delivery.reply_channel, delivery.channel, layer))


def _refusal(
    message: Message, operations: Sequence[Operation], error: BaseException
) -> list[Operation]:
    """Return the refusal of *message*, unless one of *operations* answers it.

    Handshakes and requests are refused. The refusal of a request whose response has only begun cuts
    it. *error* is shown to the client under ``DEBUG``.
    """
    layer, channel, name = message.channel_layer, message.reply_channel, message.channel_name
    if channel is None or not is_answered(name):
        return []
    answers = is_last_part if name == REQUEST else is_answer
    if any(map(answers, _replies(message, operations))):
        return []
    if name == REQUEST and settings.DEBUG:
        try:
            return [layer.make_send(channel.name, error_content(message, error))]
        except Exception as shown:  # noqa: BLE001  (the page is for people; the error is logged)
            logger.debug("No page can show %r: %r", error, shown)
    return refusal(channel.name, name, layer, f"its consumer raised {type(error).__name__}")


def _closing(message: Message, error: BaseException) -> list[Operation]:
    """Return the close of the socket of *message* after *error*, if ``CLOSE_ON_ERROR`` is set.

    Under ``DEBUG`` the client gets the error as the reason.
    """
    is_open = message.channel_name in (CONNECT, RECEIVE, RESUME)
    is_open = is_open and not isinstance(error, DenyConnection)
    if message.reply_channel is None or not is_open or not configuration().CLOSE_ON_ERROR:
        return []
    content: Content = {"close": CONSUMER_FAILED}
    if settings.DEBUG:
        content["reason"] = fitting_reason(described(error))
    return [message.channel_layer.make_send(message.reply_channel.name, content)]


def _replies(message: Message, operations: Sequence[Operation]) -> Iterator[Content]:
    for each in operations:
        if isinstance(each, Send) and each.channel == message.reply_channel.name:
            yield message.channel_layer.codec.decode(each.payload)


def _completes(message: Message, operations: Sequence[Operation]) -> bool:
    """Say whether *operations* hold the end of the response to *message*."""
    if message.reply_channel is None:
        return False
    return any(map(is_last_part, _replies(message, operations)))


def _runs_once(message: Message, error: BaseException) -> bool:
    """Say whether *message* is a request that *error* of ``RETRY_ON`` must not run again."""
    if message.channel_name != REQUEST or message.reply_channel is None:
        return False
    return kind_of(message.reply_channel.name) is ReplyKind.ONCE and is_retried(error)


def _send_finished(message: Message, match: Match, error: BaseException | None) -> None:
    answers = consumer_finished.send_robust(
        sender=dispatch, message=message, consumer=match.consumer, error=error
    )
    for receiver, failure in answers:
        if failure is not None:
            text = "%r of consumer_finished failed"
            logger.error(text, receiver, exc_info=failure, extra=fields("receiver_failed"))


def _answer(raised: BaseException, message: Message, match: Match) -> BaseException | None:
    """Act on an exception; return it unless it only asks for an action on the socket."""
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
    if message.channel_name not in (CONNECT, RESUME) or message.reply_channel is None:
        logger.error(
            "%s raised %s on %s; only consumers of websocket.connect and of websocket.resume may",
            name_of(match.consumer),
            type(raised).__name__,
            message.channel_name,
            extra=_consumer_fields("consumer_failed", message, match),
        )
        return raised
    if isinstance(raised, AcceptConnection):
        message.reply_channel.send({"accept": True})
        return None
    logger.warning(
        "%s refuses the socket %s: %s",
        name_of(match.consumer),
        shown(str(message.get("path", "-"))),
        shown(str(raised)) or "it raised DenyConnection, without a reason",
        extra=_consumer_fields("socket_refused", message, match),
    )
    message.reply_channel.send({"close": True})
    return raised


def _log_failure(error: BaseException, message: Message, match: Match) -> None:
    add_cure(error)
    event = "consumer_timed_out" if isinstance(error, ConsumerTimedOut) else "consumer_failed"
    logger.error(
        "Consumer %s failed on %s, path %s, message %s",
        name_of(match.consumer),
        message.channel_name,
        shown(str(message.get("path", "-"))),
        message.id,
        exc_info=error,
        extra=_consumer_fields(event, message, match),
    )


def _consumer_fields(event: str, message: Message, match: Match) -> dict[str, str | int]:
    return fields(
        event,
        channel=message.channel_name,
        connection=message.reply_channel.name if message.reply_channel else None,
        consumer=name_of(match.consumer),
        message_id=message.id,
        path=shown(str(message["path"])) if "path" in message else None,
        request_id=message.request_id,
    )


def _encoded(
    session: ChannelSession, message: Message, match: Match
) -> tuple[Session | None, MessageError | None]:
    """Return the encoded session, or the error if it cannot be saved, which is logged."""
    try:
        return session.encoded(), None
    except MessageError as error:
        _log_failure(error, message, match)
        return None, error
