"""Daphne's own `send`: a partial of ``Server.handle_reply`` and of the connection's protocol."""

from __future__ import annotations

from typing import Any

from channels_workers.log_limits import fold_client_lines


def fold_lines() -> None:
    """Let the log say once what clients cause again: a stack trace for each odd handshake."""
    fold_client_lines("daphne.ws_protocol", ("Traceback (most recent call last)",))


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
    """Let Daphne close the line after the answer; its `send` looks at no `Connection: close`."""
    if is_of_daphne(send):
        channel: Any = getattr(send.args[0], "channel", None)
        if hasattr(channel, "persistent"):
            channel.persistent = 0
