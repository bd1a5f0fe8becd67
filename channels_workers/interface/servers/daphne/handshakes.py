"""Handshakes that Daphne refuses: with another status than 403, and with headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne.server import is_of_daphne, protocol_behind
from channels_workers.logs import fields

#: What is needed of Daphne's protocol: autobahn's own answer to a handshake that it refuses.
PARTS = ("failHandshake",)

MISSING = (
    "This Daphne, or its autobahn, has no %s: refused handshakes get the status 403 without "
    "Retry-After, so clients may come back too soon. Take the versions in the documentation"
)


@contextmanager
def refusing_with(
    send: Any, status: int, reason: str, headers: Mapping[str, str]
) -> Iterator[None]:
    """Let the refusal that is sent in the block have this status; nothing under other servers."""
    protocol = protocol_behind(send) if is_of_daphne(send) else None
    if protocol is None or (missing := parts.missing(protocol, PARTS)):
        if protocol is not None:
            parts.report(MISSING, ", ".join(missing), extra=fields("feature_missing"))
        yield
        return
    fail = protocol.failHandshake
    protocol.failHandshake = lambda *_: fail(reason, status, list(headers.items()))
    try:
        yield
    finally:
        del protocol.failHandshake  # Python frees it sooner without circles
