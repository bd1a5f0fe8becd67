"""What the pages show of a dead letter: no more than a page can hold, and no secrets of clients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from channels_workers.exceptions import MessageError
from channels_workers.layers.admin import check_retry
from channels_workers.layers.aside import printable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import REQUEST, DeadLetter
from channels_workers.management.report import content_text, letter_text

#: How many characters of a message are shown.
SHOWN = 20_000

#: Headers whose values would let a reader act as the client.
SECRET_HEADERS = frozenset((b"cookie", b"authorization", b"proxy-authorization"))

HIDDEN = b"(hidden)"

#: Redis names a dead letter by the time when it was given up (ms); its shard comes first.
_in_milliseconds = re.compile(r"(?:[a-z0-9]{1,8}:)?(\d{12,14})-\d+").fullmatch

_secrets_in = re.compile(rb"(?i)([^&=]*(?:key|token|secret|password)[^&=]*)=[^&]*")


@dataclass(frozen=True)
class Shown:
    """A dead letter in a list; *refusal* says why it cannot be sent again, *size* is in bytes."""

    id: str
    url: str
    at: datetime | None
    channel: str
    message: str
    reason: str
    refusal: str
    size: int
    is_unreadable: bool


@dataclass(frozen=True)
class ContentShown:
    """The content of a message as text; *cut* is how many characters of it are left out."""

    text: str
    cut: int


def shown(letter: DeadLetter, url: str) -> Shown:
    """Return *letter*, whose page has the address *url*, for a list."""
    refusal = ""
    try:
        check_retry(letter)
    except ValueError as error:
        refusal = printable(str(error), 500)
    message = letter.message
    return Shown(
        id=letter.id,
        url=url,
        at=_time(letter.id),
        channel=printable(message.channel),
        message=printable(message.id),
        reason=printable(letter.reason),
        refusal=refusal,
        size=len(message.payload),
        is_unreadable=letter.is_unreadable,
    )


def content_shown(layer: WorkerLayer, letter: DeadLetter) -> ContentShown:
    """Return the content of *letter*, without secrets of its client, or why it is unreadable."""
    try:
        text = content_text(without_secrets(layer.content(letter.message), letter.message.channel))
    except MessageError:
        text = letter_text(layer, letter)
    return ContentShown(text[:SHOWN], max(0, len(text) - SHOWN))


def without_secrets(content: Content, channel: str) -> Content:
    """Return *content* without the cookies, credentials and bodies of handshakes and requests."""
    found = dict(content)
    if isinstance(headers := found.get("headers"), list | tuple):
        found["headers"] = [_without_secret(header) for header in headers]
    if "query_string" in found:
        found["query_string"] = _hidden_query(found["query_string"])
    if channel == REQUEST and found.get("body"):
        found["body"] = HIDDEN
    return found


def _without_secret(header: Any) -> Any:
    is_pair = isinstance(header, list | tuple) and len(header) > 1
    if not is_pair or not isinstance(header[0], bytes | str):
        return header
    name = header[0] if isinstance(header[0], bytes) else header[0].encode("utf-8", "replace")
    return [header[0], HIDDEN] if name.lower() in SECRET_HEADERS else header


def _hidden_query(query: Any) -> Any:
    if not isinstance(query, bytes | str):
        return HIDDEN
    written = query if isinstance(query, bytes) else query.encode("utf-8", "replace")
    return _secrets_in.sub(rb"\1=" + HIDDEN, written)


def _time(letter: str) -> datetime | None:
    found = _in_milliseconds(letter)
    return datetime.fromtimestamp(int(found[1]) / 1000, UTC) if found else None
