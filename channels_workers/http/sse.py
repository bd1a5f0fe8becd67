"""Server-sent events (``text/event-stream``) of a consumer of ``http.request``.

::

    from channels_workers import Group
    from channels_workers.http import sse

    def follow(message):
        sse.start(message)
        Group("news").add(message.reply_channel)

    def publish(text):
        Group("news").send(sse.server_sent_event(text, event="news", id="17"))

The stream ends when the client goes, or with ``{"content": b"", "more_content": False}``. The
interface server keeps it alive meanwhile.
"""

from __future__ import annotations

import re

from channels_workers.layers.codec import Content
from channels_workers.layers.history import Joined
from channels_workers.layers.positions import POSITION_KEY
from channels_workers.message import Message

__all__ = ["POSITION", "last_event_id", "server_sent_event", "start"]


class _Position:
    """The type of :data:`POSITION`."""

    def __repr__(self) -> str:
        return "POSITION"


#: As the *id* of an event: its position in the history of its group.
POSITION = _Position()

HEADERS = [
    (b"Content-Type", b"text/event-stream; charset=utf-8"),
    (b"Cache-Control", b"no-cache, no-transform"),
    (b"X-Accel-Buffering", b"no"),
]

#: The line ends of the format. Others, as of str.splitlines(), are part of a line.
_line_end = re.compile(r"\r\n|\r|\n")


def start(message: Message, retry: int | None = None, joined: Joined | None = None) -> None:
    """Begin a stream of events as the response to *message*, an ``http.request``.

    It goes out when the consumer has returned. Until then the server holds back what the groups of
    the reply channel get. *retry* is how long a browser waits before it connects again
    (milliseconds); another value raises ``ValueError``.

    *joined* is the result of a join of a group with history. The browser then has a position
    before the first event comes; and if messages are missing, an event ``gap`` tells it.
    """
    fields = b"" if retry is None else _field("retry", str(_checked_retry(retry)))
    if joined is not None and not joined.replayed:  # what is replayed has older positions
        fields += _field("id", str(joined.position))
        if joined.is_gap:
            fields += _field("event", "gap") + _field("data", "")
    message.reply_channel.send(
        {
            "status": 200,
            "headers": HEADERS,
            "content": (fields or b":\n") + b"\n",
            "more_content": True,
        }
    )


def server_sent_event(
    data: str,
    event: str | None = None,
    id: str | _Position | None = None,  # noqa: A002  (the name of the field)
    retry: int | None = None,
) -> Content:
    """Return one event as content for ``reply_channel.send()`` and ``Group.send()``.

    *data* may have several lines. *event* is its type, and *id* what a browser sends as
    ``Last-Event-ID`` when it connects again; with :data:`POSITION` it is the position of the event
    in the history of its group, if that has one. *retry* is as for :func:`start`. Raises
    ``ValueError`` for line ends in *event* or *id*, and for a NUL in *id*: browsers would read
    other fields, or ignore the id.
    """
    fields = b""
    if event is not None:
        fields += _field("event", _checked("event", event, "\r\n"))
    if isinstance(id, str):
        fields += _field("id", _checked("id", id, "\r\n\0"))
    if retry is not None:
        fields += _field("retry", str(_checked_retry(retry)))
    lines = b"".join(_field("data", line) for line in _line_end.split(data))
    content: Content = {"content": fields + lines + b"\n", "more_content": True}
    return content | {POSITION_KEY: "id"} if id is POSITION else content


def last_event_id(message: Message) -> str | None:
    """Return the id of the last event that the browser got, None if it has just begun."""
    for name, value in message.get("headers") or ():
        if bytes(name) == b"last-event-id":
            return bytes(value).decode("utf-8", "replace")
    return None


def _field(name: str, value: str) -> bytes:
    return f"{name}: {value}\n".encode()


def _checked(name: str, value: str, forbidden: str) -> str:
    if any(character in value for character in forbidden):
        raise ValueError(f"The {name} of an event must not hold line ends or NUL, got {value!r}.")
    return value


def _checked_retry(retry: int) -> int:
    if type(retry) is not int or retry < 0:
        raise ValueError(f"retry must be a whole number of milliseconds from 0 on, not {retry!r}.")
    return retry
