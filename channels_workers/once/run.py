"""One run of a consumer with ``@once``: its transaction, its row, and what a second run does."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError, OperationalError, connections

from channels_workers.effects import Effects, decode
from channels_workers.exceptions import (
    AcceptConnection,
    ChannelSocketException,
    ConsumeLater,
    DenyConnection,
    LayerUnavailable,
    MessageError,
    OnceRefused,
)
from channels_workers.layers.types import (
    CONNECT,
    REFUSAL,
    REQUEST,
    RESUME,
    Committed,
    Session,
)
from channels_workers.logs import fields, name_of
from channels_workers.once import sweeper
from channels_workers.once.postgres import commits
from channels_workers.once.rows import Taken, find, key_of, store, store_and_commit
from channels_workers.once.transaction import OnceTransaction, RolledBack
from channels_workers.outbox import Outbox
from channels_workers.session_stores import ChannelSession
from channels_workers.transient import is_put_off

logger = logging.getLogger(__name__)


#: How long a run may take until it asks the layer, before its commit, whether it still holds the
#: message (s). Rows are kept for much longer.
FENCE_AFTER = 30.0


class Run:
    """One run, in the transaction of the database *using*; *consumer* is its name.

    Call :meth:`begin` and :meth:`end` on one thread, that of the consumer's ORM. *outbox* is that
    of the message.
    """

    def __init__(self, outbox: Outbox, using: str, consumer: str) -> None:
        outbox.runs += 1
        self.using = using
        self._consumer = consumer
        self._outbox = outbox
        self._message = outbox.message
        self._key = key_of(outbox.delivery.id, outbox.runs)
        self._transaction = OnceTransaction(outbox, using, consumer)
        self._outer = (_session_of(self._message), _http_session_of(self._message))
        self._rolls_back = False
        self.is_open = False

    def roll_back(self) -> None:
        """Let the transaction roll back at the end. What the consumer sent goes out all the same.

        The first run of a message stores no row then: nothing of it must not happen twice.
        """
        self._rolls_back = True

    # Begin

    def begin(self) -> bool:
        """Begin the transaction; return False if the message is committed: it does not run again.

        Raises :class:`OnceRefused` for a request, and in a task that has no ``@once`` itself.
        """
        if self._outbox.delivery.channel == REQUEST:
            raise OnceRefused(
                f"{self._consumer} has @once and got an http.request. An unsafe request runs at "
                "most once, and a response may go out before the commit. Use "
                "transaction.atomic() for what the request writes, and remove @once."
            )
        if self._outbox.once_refused is not None:
            raise OnceRefused(f"{self._consumer} has @once. {self._outbox.once_refused}")
        connection = connections[self.using]
        if (effects := find(connection, self._key)) is not None:
            self._repeat(effects)
            return False
        self._store = store_and_commit if commits(connection) else store
        self._began = (time.monotonic(), time.time())
        self._transaction.begin()
        self._outbox.changes = []
        self.is_open = True
        return True

    # End

    def end(self, error: BaseException | None = None) -> None:
        """Commit after the consumer has returned or raised *error*, or roll back.

        Raises what the worker must know: the error, unless it only asks for an action on the
        socket, or one of the commit.
        """
        self.is_open = False
        failure = self._transaction.end(self._failure(error))
        if isinstance(failure, RolledBack):
            if not self._has_precedence(error):
                return
        elif failure is not None:
            self._undo(failure)
            return
        sweeper.watch(self.using, self._outbox)
        if isinstance(error, DenyConnection):
            raise error

    def _failure(self, error: BaseException | None) -> BaseException | None:
        """Write the row; return why the transaction must roll back, None if it is to commit."""
        failure = self._answer(error)
        if (left_open := self._transaction.left_open()) is not None:
            return left_open
        return self._try_to_store(error) if failure is None else failure

    def _answer(self, error: BaseException | None) -> BaseException | None:
        """Act on an exception that answers a socket; return any other one."""
        if error is None or is_put_off(error):
            return error
        channel, reply_channel = self._outbox.delivery.channel, self._message.reply_channel
        is_handshake = channel in (CONNECT, RESUME) and reply_channel
        match error:
            case AcceptConnection() if is_handshake:
                self._message.reply_channel.send({"accept": True})
                return None
            case DenyConnection() if is_handshake:
                return None  # the worker sends the refusal; see _effects()
            case ChannelSocketException():
                try:
                    error.run(self._message)
                except BaseException as raised:  # noqa: BLE001  (it is the failure of the run)
                    return raised
                return None
        return error

    def _try_to_store(self, error: BaseException | None) -> BaseException | None:
        try:
            self._refuse_outer_sessions()
            if self._rolls_back:
                raise RolledBack
            self._ask_layer()
            refusal = {"close": True} if isinstance(error, DenyConnection) else None
            effects = self._effects(refusal)
            connection = self._transaction.connection
            self._store(connection, self._key, effects.encode())
        except BaseException as raised:  # noqa: BLE001  (the transaction rolls back)
            return raised
        return None

    def _effects(self, refusal: dict[str, Any] | None) -> Effects:
        outbox, session = self._outbox, _session_of(self._message)
        saved: Session | None = None
        if isinstance(session, ChannelSession) and session.modified:
            try:
                saved = session.encoded()
            except MessageError:
                session.modified = False  # it is reported once
                raise
        operations = list(outbox.operations)
        if refusal is not None:
            reply_channel = outbox.delivery.reply_channel
            assert reply_channel is not None  # noqa: S101  (a handshake has one)
            operations.append(outbox.layer.make_send(reply_channel, refusal))
        return Effects(operations, outbox.changes or [], saved)

    def _refuse_outer_sessions(self) -> None:
        session, http_session = self._outer
        is_stored = session is not None and not isinstance(session, ChannelSession)
        for outer, is_saved_later in ((session, is_stored), (http_session, True)):
            if outer is not None and is_saved_later and outer.modified:
                raise OnceRefused(
                    f"{self._consumer} has @once and changed a session that is saved after its "
                    "transaction. Write @once above all decorators of the consumer, or set "
                    "`once = True` on its class."
                )

    def _ask_layer(self) -> None:
        """After a long run, stop if another worker has taken over the message meanwhile."""
        now = (time.monotonic(), time.time())
        if max(now[0] - self._began[0], now[1] - self._began[1]) < FENCE_AFTER:
            return
        outbox = self._outbox
        try:
            held = outbox.layer.change_groups(outbox.delivery, [])
        except LayerUnavailable as error:
            raise ConsumeLater from error
        if held is Committed.STALE:
            raise Taken

    # Failures, and second runs

    def _has_precedence(self, error: BaseException | None) -> bool:
        """Return whether this run, which has rolled back, is the one whose effects go out.

        If an earlier run may be frozen, a row keeps it from being committed later.
        """
        delivery = self._outbox.delivery
        if not (delivery.attempts or delivery.deaths or delivery.failures):
            return True
        refusal = {"close": True} if isinstance(error, DenyConnection) else None
        try:
            store(self._transaction.connection, self._key, self._effects(refusal).encode())
        except Taken as taken:
            self._yield(taken)
            return False
        return True

    def _undo(self, failure: BaseException) -> None:
        if isinstance(failure, Taken):
            self._yield(failure)
            return
        if is_put_off(failure) or isinstance(failure, asyncio.CancelledError):
            raise failure
        if isinstance(failure, DatabaseError) and self._transaction.has_lost_connection:
            # PostgreSQL says "internal error" when it ends an idle transaction. The connection is
            # lost, so the message runs again.
            raise OperationalError(str(failure)) from failure
        if self._outbox.retract is not None:
            self._outbox.retract(failure)
        # What it sent before goes out. A frozen run of the same message must not commit later.
        try:
            store(
                self._transaction.connection, self._key, self._effects_of_failure(failure).encode()
            )
        except Taken:
            logger.error(
                "%s failed in a second run of message %s, which changes nothing",
                self._consumer,
                self._outbox.delivery.id,
                exc_info=failure,
                extra=fields("consumer_failed", consumer=self._consumer),
            )
            self._yield(failure)
            return
        except Exception as error:
            raise error from failure
        sweeper.watch(self.using, self._outbox)
        raise failure

    def _effects_of_failure(self, failure: BaseException) -> Effects:
        delivery = self._outbox.delivery
        # An open socket ignores the refusal of a handshake.
        is_handshake = delivery.channel in (CONNECT, RESUME) and delivery.reply_channel
        refusal = REFUSAL if is_handshake else None
        try:
            effects = self._effects(refusal)
        except MessageError:  # the session of a failed run, which is not saved
            effects = self._effects(refusal)
        outbox = self._outbox
        # A consumer around this call may yet catch the error.
        if outbox.closing is not None and name_of(outbox.consumer) == self._consumer:
            effects.operations.extend(outbox.closing(self._message, failure))
        return effects

    def _yield(self, failure: BaseException) -> None:
        """Leave the effects to the run that was committed first."""
        if self._outbox.once_refused is not None:
            raise OnceRefused(f"{self._consumer} has @once. {self._outbox.once_refused}")
        if (effects := find(self._transaction.connection, self._key)) is not None:
            self._repeat(effects)
            return
        self._outbox.operations.clear()
        raise ConsumeLater from failure  # that run is under way, and holds the message

    def _repeat(self, payload: bytes) -> None:
        """Let the worker commit the stored effects. Joins and leaves may be carried out twice."""
        outbox = self._outbox
        try:
            effects = decode(payload)
        except ValueError as error:  # a worker of the other release may be next
            raise OperationalError(str(error)) from error
        logger.warning(
            "Message %s ran before, and its transaction is committed: %s does not run again, and "
            "what it sent goes out now, if it has not",
            outbox.delivery.id,
            self._consumer,
            extra=fields(
                "ran_before",
                channel=outbox.delivery.channel,
                consumer=self._consumer,
                message_id=outbox.delivery.id,
            ),
        )
        for change in effects.changes:
            outbox.change_groups(change)
        outbox.operations[:] = effects.operations
        session = _session_of(self._message)
        if effects.session is not None:
            session = ChannelSession(outbox.layer, *effects.session)
            session.modified = True
            self._message.channel_session = session
        elif isinstance(session, ChannelSession) and self._outer[0] is None:
            session.modified = False  # of the run that is rolled back


def _session_of(message: Any) -> SessionBase | None:
    return getattr(message, "channel_session", None)


def _http_session_of(message: Any) -> SessionBase | None:
    return getattr(message, "http_session", None)
