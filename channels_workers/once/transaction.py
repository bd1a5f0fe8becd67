"""The transaction of a run with ``@once``, which the outbox of its message knows."""

from __future__ import annotations

import logging
from types import TracebackType

from django.db import connections, transaction

from channels_workers.django_parts import open_blocks
from channels_workers.exceptions import OnceRefused
from channels_workers.logs import fields
from channels_workers.outbox import Outbox

logger = logging.getLogger(__name__)

#: The consumers whose sends after their commit are logged.
_late: set[str] = set()

_Info = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class RolledBack(Exception):
    """The consumer wants none of its SQL, so its transaction rolls back. No error."""


class OnceTransaction:
    """A transaction of the database *using* for one run of *consumer*, a name for logs.

    Call its methods on one thread, that of the consumer's ORM. *outbox* is that of the message.
    """

    def __init__(self, outbox: Outbox, using: str, consumer: str) -> None:
        self.using = using
        self.is_committed = False
        self._outbox = outbox
        self._consumer = consumer
        self._has_begun = False
        self._atomic = transaction.atomic(using, durable=True)

    def begin(self) -> None:
        """Begin it. From now on nothing of the consumer goes out at once."""
        self._atomic.__enter__()
        self._has_begun = True
        # A look-up by alias in each step would cost more than the step.
        self.connection = connections[self.using]
        self._depth = [len(each) for each in open_blocks(self.connection)]
        self._database = self.connection.connection
        self.connection.on_commit(self._note_commit)  # before those of the consumer
        self._outbox.transaction = self

    def _note_commit(self) -> None:
        self.is_committed = True
        self._outbox.transaction = None  # callbacks of on_commit may send at once

    def end(self, failure: BaseException | None) -> BaseException | None:
        """Commit, or roll back because of *failure*; return why it has rolled back.

        Raises an error of a callback of on_commit: the transaction is committed then. What such
        callbacks send is logged, as nothing has stored it.
        """
        if not self._has_begun:
            return failure
        stored = len(self._outbox.operations)
        try:
            self._exit(failure)
        except BaseException as raised:
            if self.is_committed:
                raise
            failure = raised  # COMMIT failed
        finally:
            self._outbox.transaction = None
        if failure is None and len(self._outbox.operations) > stored:
            self._log_late_sends()
        return failure

    def _exit(self, failure: BaseException | None) -> None:
        info: _Info = (None, None, None)
        if failure is not None:
            info = (type(failure), failure, failure.__traceback__)
        self._atomic.__exit__(*info)

    def _log_late_sends(self) -> None:
        if self._consumer in _late:
            return
        _late.add(self._consumer)
        logger.warning(
            "%s sent in a callback of on_commit. That is lost if the worker dies before the commit "
            "of the layer. Send in the consumer itself: it goes out after the transaction, and "
            "only if that commits.",
            self._consumer,
            extra=fields("sent_late", consumer=self._consumer),
        )

    def left_open(self) -> OnceRefused | None:
        """Return an error if the consumer left a block open, and end that block."""
        if not self._has_begun:
            return None
        blocks = open_blocks(self.connection)
        if [len(each) for each in blocks] == self._depth:
            return None
        for each, depth in zip(blocks, self._depth, strict=True):
            del each[depth:]
        return OnceRefused(
            f"{self._consumer} left a transaction open, so all that it wrote is rolled back. Begin "
            "and end it in one call, with `with transaction.atomic():`."
        )

    @property
    def has_lost_connection(self) -> bool:
        """Whether the connection is another one than it began on, or none."""
        return self._has_begun and self._database is not self.connection.connection
