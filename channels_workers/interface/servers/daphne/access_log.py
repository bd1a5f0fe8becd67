"""Daphne's access log, which contains the query strings of requests."""

from __future__ import annotations

import functools
import logging
from typing import Any

from daphne.access import AccessLogGenerator

from channels_workers.bearer.redaction import redacted
from channels_workers.interface.servers import parts
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The method that writes a line, with the keyword argument ``request``.
PART = "write_entry"

UNKNOWN = (
    "The access log of this %s cannot be changed, as it has no %s, so it shows the tokens in query "
    "strings. Leave it off, or use a version that channels_workers was tested with."
)


def redact_access_log(kind: type[Any] = AccessLogGenerator) -> None:
    """Hide tokens in the access log; a second call does nothing."""
    write = getattr(kind, PART, None)
    if write is None:
        parts.report(UNKNOWN, "Daphne", PART, extra=fields("server_unknown"))
    elif not hasattr(write, "__wrapped__"):
        setattr(kind, PART, _redacting(write))


def _redacting(write: Any) -> Any:
    @functools.wraps(write)
    def write_entry(self: Any, *args: Any, **entry: Any) -> None:
        if "request" in entry:
            entry["request"] = redacted(entry["request"])
        write(self, *args, **entry)

    return write_entry
