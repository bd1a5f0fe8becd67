"""The messages between requests and consumers: the content for a worker, and what replies hold.

They have the form of the ASGI 1.x drafts.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from channels_workers.interface.replies import consumers_path
from channels_workers.interface.types import Event, Scope
from channels_workers.layers.codec import Content

#: Methods that change nothing (RFC 9110, 9.2.1), so their requests may run again.
SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}

#: Responses without a body, whatever their headers say (RFC 9110, 6.4.1).
WITHOUT_BODY = (204, 205, 304)

_is_name = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_breaks_line = re.compile(rb"[\r\n\0]").search


class BadReply(Exception):
    """A consumer's reply that cannot go to a client; the text says why."""


class Head(NamedTuple):
    """The beginning of a response: the *event* that sends it, and what follows from it.

    *length* is its Content-Length, None without one.
    """

    event: Event
    has_body: bool
    length: int | None
    is_event_stream: bool


def request_content(scope: Scope, reply_channel: str, body: bytes, body_size: int) -> Content:
    """Return the content of ``http.request``; *body* is the beginning of all *body_size* bytes."""
    return {
        "http_version": scope.get("http_version", "1.1"),
        "method": scope["method"],
        "path": consumers_path(scope),
        "root_path": scope.get("root_path", ""),
        "scheme": scope.get("scheme", "http"),
        "query_string": scope.get("query_string", b""),
        "headers": [[bytes(name), bytes(value)] for name, value in scope.get("headers", ())],
        "client": list(scope["client"]) if scope.get("client") else None,
        "server": list(scope["server"]) if scope.get("server") else None,
        "body": body,
        "body_channel": f"{reply_channel}.body" if len(body) < body_size else None,
        "body_size": body_size,
    }


def head_of(content: Content) -> Head:
    """Return the head that *content* begins a response with; raise :class:`BadReply`."""
    status = content.get("status")
    if status is None:
        raise BadReply(
            f"the first one has no status, but the keys {_shown(sorted(map(str, content)))}"
        )
    if type(status) is not int or not 200 <= status <= 599:
        raise BadReply(f"its status is {_shown(status)}; it must be a number from 200 to 599")
    headers = [_header(each) for each in _list(content.get("headers"))]
    known = dict(headers)
    kind = known.get(b"content-type", b"").partition(b";")[0].strip().lower()
    length = _length(known.get(b"content-length"))
    return Head(
        event={"type": "http.response.start", "status": status, "headers": headers},
        has_body=status not in WITHOUT_BODY,
        length=length,
        is_event_stream=kind == b"text/event-stream"
        and length is None
        and b"content-encoding" not in known,
    )


def part_of(content: Content) -> tuple[bytes, bool]:
    """Return the part of a body in *content*, and whether more follow; raise BadReply."""
    part = content.get("content", b"")
    if part == "":
        part = b""
    if not isinstance(part, bytes):
        raise BadReply(f"its content is of type {type(part).__name__}; it must be bytes")
    return part, bool(content.get("more_content"))


def _shown(value: Any) -> str:
    return ascii(value)[:50]


def _list(headers: Any) -> list[Any]:
    if headers is None:
        return []
    if not isinstance(headers, list | tuple):
        raise BadReply(f"its headers are {type(headers).__name__}; they must be a list of pairs")
    return list(headers)


def _header(pair: Any) -> tuple[bytes, bytes]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise BadReply(f"one of its headers is {_shown(pair)}; each must be a pair")
    name, value = map(_header_bytes, pair)
    if not _is_name(name):
        raise BadReply(f"it has the header {_shown(name)}, which is no name of a header")
    if _breaks_line(value):
        raise BadReply(f"its header {_shown(name)} has a line break or a null byte")
    return name.lower(), value


def _header_bytes(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    if not isinstance(part, str):
        raise BadReply(f"a header of it has the part {_shown(part)}; it must be bytes or text")
    try:
        return part.encode("latin-1")
    except UnicodeEncodeError:
        raise BadReply(f"a header of it has {_shown(part)}, which is not Latin-1") from None


def _length(given: bytes | None) -> int | None:
    if given is None:
        return None
    if not given.isdigit() or len(given) > 18:
        raise BadReply(f"its Content-Length is {_shown(given)}")
    return int(given)
