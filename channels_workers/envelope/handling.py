"""One frame of a client, and its answer: exactly one for a request, and for a nonce."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import UUID

from django.conf import settings

from channels_workers.envelope import nonces
from channels_workers.envelope.frames import (
    PING,
    REQUEST,
    Envelope,
    FrameRefused,
    answer_frame,
    error_frame,
    parse,
)
from channels_workers.envelope.refused import FAILED, Refused
from channels_workers.exceptions import ChannelError, ChannelSocketException, OutboxFull
from channels_workers.layers.codec import Content
from channels_workers.layers.types import RECEIVE, Operation
from channels_workers.log_limits import flood
from channels_workers.logs import described, fields, shown
from channels_workers.message import Message
from channels_workers.once.decorator import roll_back
from channels_workers.outbox import running
from channels_workers.transient import is_put_off
from channels_workers.worker.retries import is_last

logger = logging.getLogger(__name__)
logger.addFilter(flood)  # its lines can come with each frame of a client, without end

#: How much of an exception a client sees under ``DEBUG`` (characters).
SHOWN = 1_000


class Deferred:
    """The type of :data:`DEFERRED`."""

    def __repr__(self) -> str:
        return "DEFERRED"


#: Return it from a handler if other code answers the request.
DEFERRED = Deferred()


class Handling:
    """The handling of the frame in *message*.

    Raises ``ValueError`` for a message that is no frame.
    """

    def __init__(self, message: Message) -> None:
        if message.channel_name != RECEIVE or message.reply_channel is None:
            raise ValueError(
                f"Envelopes come in messages of {RECEIVE}, not of {message.channel_name}. In the "
                "connect consumer, call channels_workers.envelope.accept(message)."
            )
        self.message = message
        self.envelope = Envelope("")
        self._answered: dict[str, Any] = {}  # the key of answers that says what they answer
        self._answer: Operation | None = None  # in the outbox
        self._claim: tuple[UUID, str] | None = None  # the row to write, and its database
        self._is_answered = self._has_failed = False

    # The parts of a run

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Tell the client ``failed`` if the message of the frame becomes a dead letter."""
        try:
            yield
        except BaseException as error:
            if last_words := self._last_words(error):
                with suppress(ChannelError):
                    self.message.channel_layer.apply(last_words, quick=True)
            raise

    @asynccontextmanager
    async def aending(self) -> AsyncIterator[None]:
        """Do the same as :meth:`ending` in a coroutine."""
        try:
            yield
        except BaseException as error:
            if last_words := self._last_words(error):
                with suppress(ChannelError):
                    await self.message.channel_layer.aapply(last_words, quick=True)
            raise

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Answer with an error if the block raises.

        ``Refused`` ends here; other exceptions go on. Messages that run again are not answered.
        """
        try:
            yield
        except Refused as refused:
            self.refuse(refused)
        except (ChannelSocketException, GeneratorExit):
            raise
        except BaseException as error:
            if not is_put_off(error):
                self.fail(error)
            raise

    def read(self) -> bool:
        """Read the frame; return False if it is answered already, as a ping is."""
        try:
            self.envelope = envelope = parse(self.message.get("text"))
        except FrameRefused as refused:
            self.refuse(refused)
            return False
        if envelope.nonce is not None:
            self._answered = {"nonce": envelope.nonce}
        elif envelope.id is not None:
            self._answered = {"id": envelope.id}
        if envelope.type != PING:
            return True
        self.answer("pong")
        return False

    def has_run(self, scope: str, owner: str | None) -> bool:
        """Say whether the frame repeats a message that has run, and then confirm it again.

        *scope* and *owner* are those of :func:`~channels_workers.envelope.nonces.row_key`.
        """
        nonce = self.envelope.nonce
        if nonce is None:
            return False
        if owner is not None and (using := database_of_once()) is not None:
            self._claim = nonces.row_key(scope, owner, nonce), using
        has_run = nonces.has_run(self.message.channel_session, nonce, self.message.id)
        if not has_run and (self._claim is None or not nonces.is_claimed(*self._claim)):
            return False
        self.answer("ack")
        roll_back_once()
        return True

    def finish(self, result: Any) -> None:
        """Answer after the handler has returned *result*."""
        if self.envelope.nonce is not None:
            if self._claim is not None:
                nonces.claim(*self._claim)
            session = self.message.channel_session
            nonces.remember(session, self.envelope.nonce, self.message.id)
            self.answer("ack")
        elif self.envelope.type == REQUEST and result is not DEFERRED and not self._is_answered:
            self.reply(result)
        outbox = running()
        if outbox is not None and database_of_once() is not None and self._is_answered:
            outbox.retract = self._retract

    # Answers

    def reply(self, payload: Any) -> None:
        """Answer the request with *payload*; ``ValueError`` if there is none, or an answer."""
        if self.envelope.type != REQUEST or self._is_answered:
            what = "has an answer already" if self._is_answered else f"is a {self.envelope.type}"
            raise ValueError(f"A reply answers a request, once. This frame {what}.")
        self.answer("reply", payload=payload)

    def answer(self, kind: str, **keys: Any) -> None:
        """Send the answer of the type *kind*."""
        self.send(answer_frame(kind, **self._answered, **keys))

    def send(self, content: Content) -> None:
        """Send *content*, the answer."""
        self.message.reply_channel.send(content)
        self._is_answered = True
        if (outbox := running()) is not None:
            self._answer = outbox.operations[-1]

    def refuse(self, refused: Refused) -> None:
        """Answer with an error. In a transaction of ``@once``, roll that back."""
        if isinstance(refused, FrameRefused):
            self._answered = self._answered or refused.answered
            _log(self.message, refused)
        self._take_back()
        self.send(error_frame(refused, self._answered))
        roll_back_once()

    def fail(self, error: BaseException) -> None:
        """Tell the client, instead of another answer, that the handler raised *error*.

        The worker logs the error.
        """
        if self._has_failed:
            return
        self._has_failed = True
        self._take_back()
        content = self._failure(error)
        try:
            self.send(content)
        except OutboxFull:  # which takes this last answer all the same
            if (outbox := running()) is not None:
                channel = self.message.reply_channel.name
                outbox.operations.append(self.message.channel_layer.make_send(channel, content))

    def _take_back(self) -> None:
        """Remove the answer from the outbox."""
        outbox = running()
        if self._answer is not None and outbox is not None and self._answer in outbox.operations:
            outbox.operations.remove(self._answer)

    def _retract(self, error: BaseException) -> None:
        """Take back that the message has run: its transaction has failed at the end."""
        if self.envelope.nonce is not None:
            nonces.forget(self.message.channel_session, self.envelope.nonce)
        self.fail(error)

    def _failure(self, error: BaseException) -> Content:
        text = described(error)[:SHOWN] if settings.DEBUG else ""
        text = text.encode("utf-8", "replace").decode()  # it may have lone surrogates
        return error_frame(Refused(FAILED, text), self._answered)

    def _last_words(self, error: BaseException) -> list[Operation]:
        """Return the answer if the message of the frame is a dead letter after *error*."""
        delivery, layer = self.message.delivery, self.message.channel_layer
        if not is_put_off(error) or delivery is None or not is_last(delivery, error):
            return []
        return [layer.make_send(self.message.reply_channel.name, self._failure(error))]


def database_of_once() -> str | None:
    """Return the alias of the database whose transaction of ``@once`` is open, None without one."""
    outbox = running()
    return outbox.transaction.using if outbox is not None and outbox.transaction else None


def roll_back_once() -> None:
    """Let the transaction of ``@once``, if one is open, roll back: the frame changes nothing."""
    if database_of_once() is not None:
        roll_back()


def _log(message: Message, refused: FrameRefused) -> None:
    path = shown(str(message.get("path", "-")))
    logger.warning(
        "A frame of a client at %s is refused: %s %s. Its program has a mistake, or is made for "
        "another consumer. The client got the details",
        path,
        refused.code,
        refused.fields[0]["field"] if refused.fields else "JSON",
        extra=fields(
            "frame_refused",
            connection=message.reply_channel.name,
            message_id=message.id,
            path=path,
        ),
    )
