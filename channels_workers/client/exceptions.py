"""The exceptions of the client.

::

    ClientError
    ├── Closed          the connection is closed, and does not come back
    ├── NotConnected    there is no connection now; nothing was sent
    ├── ReplyLost       the connection was lost before the reply; the request may have run
    ├── Refused         the server answered with an error
    ├── OutboxFull      too many messages wait for their confirmation
    └── ReadsTooSlowly  an iterator was not read for too long, and has ended

A time-out is a ``TimeoutError``. A payload that is no JSON raises ``TypeError`` or ``ValueError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

#: The error code of a server that wants a message later, as after a rate limit.
LATER = "later"


class ClientError(Exception):
    """The base of the exceptions of the client."""


class Closed(ClientError):
    """The connection is closed: by ``close()``, or with a code after which it does not return.

    *code* and *reason* are those of the close frame.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        self.code, self.reason = code, reason
        super().__init__(f"The connection is closed with code {code}{reason and f': {reason}'}.")


class NotConnected(ClientError):
    """There is no connection now, so nothing was sent."""


class ReplyLost(ClientError):
    """The connection was lost after a request was sent, and before its reply came.

    The request may have run. ``repeat=True`` sends it again instead.
    """


class FieldError(NamedTuple):
    """What is wrong with one *field* of a payload."""

    field: str
    message: str


class Refused(ClientError):
    """The server answered with an error.

    *code* is ``invalid``, ``unknown``, ``denied``, ``later``, ``failed``, or any other text.
    *fields* names the wrong fields of an ``invalid`` payload. *after* is when to try again (s).
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        fields: Sequence[FieldError] = (),
        after: float | None = None,
    ) -> None:
        self.code, self.message, self.fields, self.after = code, message, tuple(fields), after
        super().__init__(f"{code}{message and f': {message}'}")


class OutboxFull(ClientError):
    """As many messages as `outbox_size` allows wait for their confirmation."""


class ReadsTooSlowly(ClientError):
    """An iterator was full for longer than `stall_timeout`, and has ended.

    Iterate faster, or raise ``queue_size``.
    """
