"""Daphne's own `send`: a partial of ``Server.handle_reply`` and of the connection's protocol."""

from __future__ import annotations

import logging
from typing import Any

from channels_workers.log_limits import fold_client_lines

#: A line at each start about packages that sites behind a proxy do not need.
HINT = "HTTP/2 support not enabled"


def fold_lines() -> None:
    """Fold log lines that clients cause: a stack trace for each invalid handshake.

    Drop :data:`HINT`.
    """
    fold_client_lines("daphne.ws_protocol", ("Traceback (most recent call last)",))
    logging.getLogger("daphne.server").addFilter(is_no_hint)


def is_no_hint(record: logging.LogRecord) -> bool:
    """Return whether *record* is worth a line."""
    return not str(record.msg).startswith(HINT)


def is_of_daphne(send: Any) -> bool:
    """Say whether *send* is Daphne's own."""
    owner = getattr(getattr(send, "func", None), "__self__", None)
    return type(owner).__module__ == "daphne.server" and bool(getattr(send, "args", ()))


def protocol_behind(send: Any) -> Any:
    """Return the protocol, or the request, that Daphne's *send* is for."""
    return send.args[0]


def transport_behind(send: Any) -> Any:
    """Return the transport that Daphne's *send* writes to; None if the client is gone."""
    return getattr(send.args[0], "transport", None)


def close_after_answer(send: Any) -> None:
    """Let Daphne close the connection after the answer; it ignores `Connection: close`."""
    if is_of_daphne(send):
        channel: Any = getattr(send.args[0], "channel", None)
        if hasattr(channel, "persistent"):
            channel.persistent = 0
