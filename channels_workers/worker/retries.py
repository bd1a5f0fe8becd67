"""Retries: messages run again after ConsumeLater, and after transient errors.

Transient are the exceptions of ``CHANNEL_WORKERS["RETRY_ON"]``, such as a lost database.
"""

from __future__ import annotations

import logging
import math
import threading
import time

from channels_workers.conf import configuration
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    CONNECT,
    REFUSAL,
    REQUEST,
    RESUME,
    Delivery,
    Operation,
)
from channels_workers.logs import fields
from channels_workers.transient import is_retried
from channels_workers.worker.log_fields import delivery_fields

logger = logging.getLogger(__name__)

#: The wait before the first retry (s). Each wait is twice as long as the one before, up to the
#: longest: this one after ConsumeLater, else ``CHANNEL_WORKERS["RETRY_PAUSE"]``.
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0

#: The most retries after ConsumeLater, as in 1.1.8.
MAX_RETRIES = 10

#: An outage is over when all messages that failed have run, or one of them has and none failed for
#: CALM seconds. An outage that lasts is logged every AGAIN seconds, and the next one SOON seconds
#: after the last line at the earliest.
CALM, AGAIN, SOON = 1.0, 60.0, 10.0

#: How many messages that failed are remembered, to notice that all have run.
REMEMBERED = 10_000


#: The answer to a request whose consumer failed. If a response has begun, the server cuts it.
SERVER_ERROR: Content = {
    "status": 500,
    "headers": [[b"Content-Type", b"text/plain"]],
    "content": b"Server Error (500)\n",
}


def wait_before_run(delivery: Delivery, error: BaseException | None = None) -> float:
    """Return how long *delivery*, whose consumer raised *error*, waits for its next run (s).

    It is 0 after the last run.
    """
    if not is_retried(error):
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(delivery.attempts, 10))
    return 0.0 if is_last(delivery, error) else _pause(delivery.failures)


def _pause(failures: int) -> float:
    return min(configuration().RETRY_PAUSE, FIRST_WAIT * 2.0 ** min(failures, 30))


def is_last(delivery: Delivery, error: BaseException | None) -> bool:
    """Say whether this run of *delivery*, which raised *error*, was the last one.

    A handshake does not wait longer than ``CHANNEL_WORKERS["HANDSHAKE_TIMEOUT"]``, and a request
    not longer than ``CHANNEL_WORKERS["RESPONSE_TIMEOUT"]``.
    """
    if not is_retried(error):
        return delivery.attempts >= MAX_RETRIES
    limits = configuration()
    if delivery.failures >= limits.RETRIES:
        return True
    if not is_answered(delivery.channel):
        return False
    is_request = delivery.channel == REQUEST
    longest = (limits.RESPONSE_TIMEOUT or math.inf) if is_request else limits.HANDSHAKE_TIMEOUT
    return sum(map(_pause, range(delivery.failures + 1))) >= longest


def is_answered(channel: str) -> bool:
    """Say whether a client waits for the answer to a message of *channel*."""
    return channel in (CONNECT, RESUME, REQUEST)


def refusal(
    reply_channel: str | None, channel: str, layer: WorkerLayer, why: str = ""
) -> list[Operation]:
    """Return the refusal of a handshake, to connect or to resume, or a request from *channel*.

    A socket that is open ignores it. It is empty for other messages, and for those without a
    connection. *why* is for the log of the server, and not for the client.
    """
    if not is_answered(channel) or not reply_channel:
        return []
    refused = {**REFUSAL, "why": why} if why else REFUSAL
    return [layer.make_send(reply_channel, SERVER_ERROR if channel == REQUEST else refused)]


class Failures:
    """Logs the messages of one process that fail and run again; thread-safe.

    An outage has one line for its first failure, with the traceback, one every minute, and one for
    its end. Messages that fail too often have a line for the 1st, the 10th, the 100th and so on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed = self._lost = 0
        self._last = self._logged_at = -math.inf  # monotonic seconds
        self._is_logged = False  # the current outage
        self._open: set[str] = set()  # ids of messages that failed and have not run since

    def failed(self, delivery: Delivery, error: BaseException) -> None:
        """Note that the consumer of *delivery* raised *error*."""
        with self._lock:
            now = time.monotonic()
            if now - self._last > AGAIN:
                self._begin()
            self._last = now
            self._failed += 1
            if len(self._open) < REMEMBERED:
                self._open.add(delivery.id)
            if is_due := now - self._logged_at > (AGAIN if self._is_logged else SOON):
                self._logged_at, self._is_logged = now, True
            failed = self._failed
        if is_due:
            limits = configuration()
            logger.error(
                "Message %s on %s failed and runs again, up to %d times, because %s is in RETRY_ON "
                "of CHANNEL_WORKERS. (%d failures so far; the next line is due in %g s.)",
                delivery.id,
                delivery.channel,
                limits.RETRIES,
                _name(error),
                failed,
                AGAIN,
                exc_info=error,
                extra=delivery_fields("failed_for_now", delivery),
            )

    def _begin(self) -> None:
        self._failed = self._lost = 0
        self._is_logged = False
        self._open.clear()

    def succeeded(self, delivery: Delivery) -> None:
        """Note that *delivery* has run after it had failed."""
        with self._lock:
            self._open.discard(delivery.id)
            is_over = not self._open or time.monotonic() - self._last > CALM
            if not self._failed or not is_over:
                return
            failed, lost, is_logged = self._failed, self._lost, self._is_logged
            self._begin()
        if not is_logged:
            return
        logger.warning(
            "Messages that failed run again: %d failures, %d messages failed too often",
            failed,
            lost,
            extra=fields("works_again"),
        )

    def ended(self, delivery: Delivery, error: BaseException) -> None:
        """Note that *delivery* failed too often: it is a dead letter, or was refused."""
        with self._lock:
            self._open.discard(delivery.id)
            self._lost += 1
            lost = self._lost
        if str(lost).strip("0") != "1":
            return
        text, extra = _ending(delivery)
        logger.error(
            f"{text}: %s (%d so far; the next line is for number %d)",
            delivery.id,
            delivery.channel,
            reason_of(delivery, error),
            lost,
            10 * lost,
            extra=extra,
        )


DEAD_LETTER = "Message %s on %s is a dead letter now"


def _ending(delivery: Delivery) -> tuple[str, dict[str, str | int]]:
    """Return the text and the fields of the line about a message that fails too often."""
    if delivery.channel in (CONNECT, RESUME):
        text = "The handshake of message %s on %s is refused"
        return text, delivery_fields("handshake_failed", delivery)
    if delivery.channel == REQUEST:
        text = "The request of message %s on %s is answered with 500"
        return text, delivery_fields("request_failed", delivery)
    return DEAD_LETTER, delivery_fields("dead_letter", delivery)


def reason_of(delivery: Delivery, error: BaseException | None) -> str:
    """Return why *delivery* does not run again after its last run raised *error*."""
    if error is None or not is_retried(error):
        return f"it was put off {delivery.attempts} times by ConsumeLater"
    return f"it failed {delivery.failures + 1} times, at last with {_name(error)}"


def without_frames(error: BaseException | None) -> BaseException | None:
    """Remove the stack frames from *error*: they would keep the consumer's variables alive."""
    if error is not None:
        error.__traceback__ = error.__cause__ = error.__context__ = None
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            without_frames(part)
    return error


def _name(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"
