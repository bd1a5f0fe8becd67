"""One response of workers: contents of their replies in, events for a server program out; no I/O.

A long response comes in numbered parts of one *run* of a consumer. A part may come twice.
"""

from __future__ import annotations

from typing import Any

from channels_workers.interface.http.actions import Respond
from channels_workers.interface.http.replies import BadReply, Head, head_of, part_of
from channels_workers.interface.types import Event
from channels_workers.layers.codec import Content

#: A comment that keeps an event stream open. Proxies cut connections that are silent for long.
KEEP_ALIVE = b":\n\n"

#: How event streams end a message.
MESSAGE_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")

FAILED = "its consumer failed, or sent a second status, after the response had begun"
OTHER_RUN = "its consumer runs again, and part of the first response has gone out"
GAP = "bytes %d to %d of it are missing"


class Broken(Exception):
    """The response cannot go on, through no fault of its consumer; the text says why."""


class ResponseProtocol:
    """The state of the response to a request by *method*."""

    __slots__ = ("_head", "_is_at_boundary", "_is_head_only", "_reached", "_run", "_sent")

    def __init__(self, method: str) -> None:
        self._is_head_only = method == "HEAD"
        self._head: Head | None = None  # once it has begun
        self._run: str | None = None  # the run that it is of
        self._reached = 0  # the offset that this run has reached
        self._sent = 0  # bytes of its body, whoever sent them
        self._is_at_boundary = True  # between two messages of an event stream

    @property
    def has_begun(self) -> bool:
        """Whether its head is known."""
        return self._head is not None

    @property
    def is_event_stream(self) -> bool:
        """Whether it is a stream of events."""
        head = self._head
        return head is not None and head.is_event_stream and self._has_body(head)

    def _has_body(self, head: Head) -> bool:
        return head.has_body and not self._is_head_only

    def take(self, content: Content) -> tuple[list[Respond], bool]:
        """Return what to send for *content*, and whether more of it follows.

        Raises BadReply, and :class:`Broken`.
        """
        part, more = part_of(content)
        run = content.get("run")
        if run is not None:
            return self._take_numbered(content, run, part, more)
        if self._head is not None and content.get("status") is not None:
            raise BadReply(FAILED)
        head = head_of(content) if self._head is None else None
        return self._send(head, part, more, None), more

    def _take_numbered(
        self, content: Content, run: Any, part: bytes, more: bool
    ) -> tuple[list[Respond], bool]:
        at = content.get("at")
        if type(at) is not int or at < 0:
            raise BadReply(f"its part is at {ascii(at)[:50]}")
        if self._head is not None and run != self._run:
            raise Broken(OTHER_RUN)
        if at > self._reached:
            raise Broken(GAP % (self._reached, at - 1))
        skipped = self._reached - at
        if skipped and skipped >= len(part) and more:
            part, skipped = b"", 0  # it came before; its consumer may ask what is taken
        head = head_of(content) if self._head is None else None
        self._run = run
        self._reached = max(self._reached, at + len(part))
        is_finished = more and content.get("is_finished") is True
        return self._send(head, part[skipped:], more, self._reached, is_finished), more

    def _send(
        self,
        new_head: Head | None,
        part: bytes,
        more: bool,
        taken: int | None,
        is_finished: bool = False,
    ) -> list[Respond]:
        """Return the events for *part*, after *new_head* if the response begins with it."""
        head = new_head or self._head
        assert head is not None  # noqa: S101  (for the type checker)
        if self._has_body(head) and head.length is not None:
            _check_length(head.length, self._sent + len(part), more)
        self._head = head
        self._sent += len(part)
        body = part if self._has_body(head) else b""
        if body:
            self._is_at_boundary = body.endswith(MESSAGE_ENDS)
        sends = [Respond(body_event(body, more=more), len(body), taken, is_finished)]
        return [Respond(head.event), *sends] if new_head is not None else sends

    def keep_alive(self) -> list[Respond]:
        """Return a comment for a client whose event stream is silent."""
        if not (self.is_event_stream and self._is_at_boundary):
            return []
        return [Respond(body_event(KEEP_ALIVE, more=True), len(KEEP_ALIVE))]


def _check_length(length: int, sent: int, more: bool) -> None:
    if sent > length or (sent < length and not more):
        count = f"{sent} bytes or more" if more else f"{sent} bytes"
        raise BadReply(f"its Content-Length is {length}, and its content has {count}")


def body_event(body: bytes, *, more: bool = False) -> Event:
    """Return the event that sends a part of a body; the last one, unless *more* follow."""
    return {"type": "http.response.body", "body": body, "more_body": more}
