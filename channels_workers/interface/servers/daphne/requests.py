"""HTTP requests of Daphne, judged while they come: the size of bodies, the time for both parts."""

from __future__ import annotations

import inspect
import sys
from functools import partial
from typing import Any, Protocol

from channels_workers.conf import configuration
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne.arrivals import HeldArrival
from channels_workers.interface.servers.daphne.entries import Entry, can_enter
from channels_workers.logs import fields

#: How long the rest of a request is read and dropped after a refusal (s); see `refusals.LINGER`.
LINGER = 2.0

#: How long a connection may be idle between two requests, if Twisted has no such limit (s).
IDLE = 60.0

REASONS = {
    408: (b"Request Timeout", b"The body of the request took too long.\n"),
    413: (b"Content Too Large", b"The body of the request is too large.\n"),
    503: (b"Service Unavailable", b"Too much to do. Please ask again.\n"),
}


class Judge(Protocol):
    """Decides which bodies are accepted: 0, or the status of the refusal."""

    def judge_length(self, length: int) -> int:
        """Judge a body of *length* bytes."""

    def keep(self, size: int) -> int:
        """Count *size* more bytes."""

    def release(self, size: int) -> None:
        """Stop counting *size* bytes."""

    def note_late(self) -> int:
        """Judge a body that takes too long."""

    def note_refused(self, status: int) -> None:
        """Note that a request is answered *status*, without the application."""


class JudgedRequest:
    """A request of Daphne whose body is judged while it comes, not only when it is complete."""

    judge: Judge
    channel: Any
    content: Any
    requestHeaders: Any  # noqa: N815  (as Twisted names it)
    transport: Any
    refused = 0  # the status
    kept = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Judge the Content-Length; it is None for a chunked body."""
        status = self.judge.judge_length(length or 0)
        super().gotLength(0 if status else length)  # type: ignore[misc]
        if status:
            self.refuse(status)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a part of the body if the limits allow it."""
        if self.refused:
            return
        size = len(data)
        status = self.judge.judge_length(self.kept + size) or self.judge.keep(size)
        if status:
            self.refuse(status)
        else:
            self.kept += size
            super().handleContentChunk(data)  # type: ignore[misc]

    def refuse(self, status: int) -> None:
        """Answer at once; over HTTP/2 only after the body, of which nothing is kept."""
        self.refused = status
        self.judge.note_refused(status)
        self.requestHeaders.removeHeader(b"expect")
        self.release()
        if isinstance(self.channel, JudgedChannel):
            self.channel.refuse(status)

    def release(self) -> None:
        """Stop counting the bytes of the body."""
        self.judge.release(self.kept)
        self.kept = 0

    def process(self) -> Any:
        """Run the complete request."""
        if self.refused:
            reason, text = REASONS[self.refused]
            return self.basic_error(self.refused, reason, text.decode())  # type: ignore[attr-defined]
        result = super().process()  # type: ignore[misc]
        if self.transport is None:  # it is a WebSocket now, and has the body
            self.release()
        return result

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Drop the body of a client that is gone."""
        self.release()
        super().connectionLost(reason)  # type: ignore[misc]

    def finish(self) -> None:
        """Drop the body of a request that is answered."""
        self.release()
        super().finish()  # type: ignore[misc]


class JudgedChannel(HeldArrival):
    """A connection of HTTP/1.1 with time-outs for heads and bodies."""

    requests: list[Any]
    is_refused = False
    waited: float | None = None  # for its first data (s); None if it did not come by an `Entry`
    _deadline: Any = None

    def connectionMade(self) -> None:  # noqa: N802
        """Wait for the first head."""
        super().connectionMade()  # type: ignore[misc]
        if self.waited is None:
            self.arrive()
        else:
            self.expect_head()

    def expect_head(self) -> None:
        """Begin the time for the first head, or go on with it."""
        left = max(0.0, configuration().REQUEST_HEAD_TIMEOUT - (self.waited or 0.0))
        self._expect(left, self.timeoutConnection)  # type: ignore[attr-defined]

    def allHeadersReceived(self) -> None:  # noqa: N802
        """Wait for the body."""
        self._expect(configuration().REQUEST_BODY_TIMEOUT, self._body_is_late)
        super().allHeadersReceived()  # type: ignore[misc]

    def allContentReceived(self) -> None:  # noqa: N802
        """Stop the time-out; drop a request that was refused."""
        if self.is_refused:
            self.transport.loseConnection()
            return
        self._expect()
        super().allContentReceived()  # type: ignore[misc]

    def requestDone(self, request: Any) -> None:  # noqa: N802
        """Wait for the next head; the idle time before it counts too."""
        idle = getattr(self, "timeOut", None) or IDLE
        late = self.timeoutConnection  # type: ignore[attr-defined]
        self._expect(idle + configuration().REQUEST_HEAD_TIMEOUT, late)
        super().requestDone(request)  # type: ignore[misc]

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Stop the time-out."""
        self._expect()
        super().connectionLost(reason)  # type: ignore[misc]

    def refuse(self, status: int) -> None:
        """Answer with *status*; close our side of the connection, and the other soon after."""
        self.is_refused = True
        reason, text = REASONS[status]
        head = b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n" % (status, reason)
        head += b"Content-Length: %d\r\nConnection: close\r\n" % len(text)
        head += b"Retry-After: 5\r\n\r\n" if status == 503 else b"\r\n"
        self.transport.write(head + text)
        if hasattr(self.transport, "loseWriteConnection"):  # TLS cannot
            self.transport.loseWriteConnection()
        self._expect(LINGER, self.transport.abortConnection)

    def _body_is_late(self) -> None:
        request = self.requests[-1]
        request.refuse(request.judge.note_late())

    def _expect(self, seconds: float = 0.0, otherwise: Any = None) -> None:
        """Call *otherwise* after *seconds*, in place of the callback that was set before."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = self.callLater(seconds, otherwise) if otherwise else None  # type: ignore[attr-defined]


MISSING = (
    "This Daphne, or its Twisted, has no %s: bodies of requests are judged only when they are "
    "here, and clients that send heads slowly are not cut. Take the versions in the "
    "documentation, or put a proxy in front that has such limits"
)

#: What the two classes above need.
PARTS = {
    "HTTPFactory": ("buildProtocol",),
    "WebRequest": ("gotLength", "handleContentChunk", "process", "connectionLost", "basic_error"),
    "HTTPChannel": (
        *("connectionMade", "allHeadersReceived", "allContentReceived", "requestDone"),
        *("callLater", "connectionLost", "timeoutConnection"),
    ),
    "_GenericHTTPChannelProtocol": (),
}


def judge_requests(judge: Judge) -> None:
    """Let *judge* decide on requests while they come, if this process runs Daphne.

    Call it before the server starts, which picks up its classes then.
    """
    server, protocol = sys.modules.get("daphne.server"), sys.modules.get("daphne.http_protocol")
    http = getattr(protocol, "http", None)
    if server is None:
        return
    found = {
        "HTTPFactory": getattr(server, "HTTPFactory", None),
        "WebRequest": getattr(protocol, "WebRequest", None),
        "HTTPChannel": getattr(http, "HTTPChannel", None),
        "_GenericHTTPChannelProtocol": getattr(http, "_GenericHTTPChannelProtocol", None),
    }
    missing = [name for name, one in found.items() if one is None] + [
        f"{name}.{part}"
        for name, names in PARTS.items()
        if found[name] is not None
        for part in parts.missing(found[name], names)
    ]
    if missing:
        parts.report(MISSING, ", ".join(missing), extra=fields("feature_missing"))
        return
    server.HTTPFactory = _factory(found, judge)  # type: ignore[attr-defined]


def _factory(found: dict[str, Any], judge: Judge) -> Any:
    base = getattr(found["HTTPFactory"], "judged_base", found["HTTPFactory"])
    request = type(
        "Request", (JudgedRequest, _without_forms(found["WebRequest"])), {"judge": judge}
    )
    channel = type("Channel", (JudgedChannel, found["HTTPChannel"]), {})

    class Factory(base):  # type: ignore[misc, valid-type]
        judged_base = base

        def protocol(self) -> Any:
            return found["_GenericHTTPChannelProtocol"](channel())

        def buildProtocol(self, address: Any) -> Any:  # noqa: N802
            return (
                Entry(self, partial(self._build, address))
                if can_enter(self)
                else self._build(address)
            )

        def _build(self, address: Any) -> Any:
            built = super().buildProtocol(address)
            built.requestFactory = request
            return built

    return Factory


def _without_forms(request: Any) -> Any:
    """Return the class *request* without Twisted's parsing of forms, which Django does itself."""
    twisted = next(each for each in request.__mro__ if each.__module__ == "twisted.web.http")
    if "parsePOSTFormSubmission" not in inspect.signature(twisted).parameters:
        return request

    class Formless(request):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, parsePOSTFormSubmission=False, **options)

    return Formless
