"""What a consumer says to the server of its request, and what the server tells it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from channels_workers.backoff import Backoff
from channels_workers.context import without_seat
from channels_workers.exceptions import LayerUnavailable, MessageError, RequestAborted
from channels_workers.flow import LISTEN_TIMEOUT
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import new_id
from channels_workers.message import Message
from channels_workers.outbox import rest_of_consumer

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: The shortest wait for what the server may have told already (s).
AT_ONCE = 0.001


class Mailbox:
    """Talks with the server that holds the request *message*, while its consumer runs.

    All methods block, and wait while the layer is away. They raise
    :class:`~channels_workers.exceptions.RequestAborted` when the client has gone. ``run`` tells the
    runs of one request apart.
    """

    def __init__(self, message: Message) -> None:
        self.layer: WorkerLayer = message.channel_layer
        self.channel: str = message.reply_channel.name
        self.run = new_id()
        self._what = f"Answering {message.id or self.channel}"
        self._rest = rest_of_consumer()

    def say(self, content: Content) -> None:
        """Send *content* to the server now."""
        operation = self.layer.make_send(self.channel, {**content, "run": self.run})
        self._insist(lambda: self.layer.apply([operation]))

    def listen(self, timeout: float = LISTEN_TIMEOUT) -> Content | None:
        """Wait for what the server tells; return it, or None after *timeout* seconds."""
        payload = self._insist(lambda: self.layer.listen(self.channel, timeout))
        if payload is None:
            return None
        try:
            told = self.layer.codec.decode(payload)
        except MessageError as error:  # it is asked for again
            logger.debug("A chunk for %s is unreadable: %s", self.channel, error)
            return {}
        if told.get("gone"):
            raise RequestAborted("The client has gone.")
        return told

    def check_connected(self) -> None:
        """Raise RequestAborted if the request has ended."""
        if not self._insist(lambda: self.layer.connected([self.channel])):
            raise RequestAborted("The client has gone.")

    def _insist(self, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except LayerUnavailable as error:
            with without_seat():
                return self._try_again(attempt, error)

    def _try_again(self, attempt: Callable[[], T], error: LayerUnavailable) -> T:
        backoff = Backoff(logger, self._what, LISTEN_TIMEOUT)
        while True:
            if self._rest(backoff.failed(error)):
                raise RequestAborted("The process ends.") from error
            try:
                result = attempt()
            except LayerUnavailable as again:
                error = again
            else:
                backoff.succeeded()
                return result
