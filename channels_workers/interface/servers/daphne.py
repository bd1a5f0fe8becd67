"""What is known of Daphne's private parts, and of Twisted's and autobahn's behind them.

Daphne's `send` is a partial of ``Server.handle_reply`` and of the socket's protocol.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Callable
from typing import Any, Protocol

from channels_workers.conf import configuration
from channels_workers.interface.servers import kernel
from channels_workers.interface.servers.gate import Gate
from channels_workers.log_limits import fold_client_lines
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How long a client of Daphne may take to answer our close frame, before its line is reset (s): as
#: under uvicorn. Autobahn's own second is too short for one that is slow, or far away: a reset can
#: take the frame, and what was sent before it, away from who has not read it yet.
CLOSE_HANDSHAKE_TIMEOUT = 10.0

_told: set[str] = set()  # what this Daphne lacks, once the log has it


def when_running(function: Callable[[], object]) -> None:
    """Have *function* called in the event loop of Daphne once it runs, if it ever does.

    Daphne tells an application of nothing before its first client. It has Twisted's reactor
    installed before it imports the application.
    """
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None:
        reactor.callWhenRunning(reactor.callFromThread, function)


def fold_lines() -> None:
    """Let the log say once what clients cause again: a stack trace for each odd handshake."""
    fold_client_lines("daphne.ws_protocol", ("Traceback (most recent call last)",))


def is_of_daphne(send: Any) -> bool:
    """Say whether *send* is Daphne's own."""
    owner = getattr(getattr(send, "func", None), "__self__", None)
    return type(owner).__module__ == "daphne.server"


def transport_behind(send: Any) -> Any:
    """Return the transport that Daphne's *send* writes to; None if the line is down."""
    return getattr(send.args[0], "transport", None)


def close_open(send: Any, event: dict[str, Any]) -> bool:
    """Close a socket of Daphne, whose own `send` drops the reason; False if it is not open."""
    protocol = send.args[0]
    if protocol.state != protocol.STATE_OPEN:
        return False
    protocol.closeHandshakeTimeout = CLOSE_HANDSHAKE_TIMEOUT
    protocol.sendClose(event["code"], event.get("reason"))
    return True


def unsent_bytes(transport: Any) -> int:
    """Return how much a transport of Twisted holds that its peer has not read."""
    buffered = getattr(transport, "dataBuffer", b"")
    later = getattr(transport, "_tempDataLen", 0)
    return len(buffered) - getattr(transport, "offset", 0) + int(later)


def write_now(transport: Any) -> None:
    """Let a TCP transport of Twisted write what it holds, not only in its reactor's next turn.

    What goes wrong, or ends, is met there again.
    """
    if not (hasattr(transport, "doWrite") and transport.connected and unsent_bytes(transport)):
        return
    if transport.doWrite() is not None:
        transport.startWriting()


# Sockets


def send_empty(send: Any, *, is_binary: bool) -> bool:
    """Send an empty frame, which Daphne's own `send` drops; False if the socket is not open."""
    protocol = send.args[0]
    if getattr(protocol, "state", None) != getattr(protocol, "STATE_OPEN", ""):
        return False
    protocol.sendMessage(b"", is_binary)
    return True


#: What the gate needs of Daphne's protocol, and of Twisted's transport.
PROTOCOL_PARTS = (
    *("application_queue", "autoPingTimeout", "autoPingTimeoutCall", "dataReceived"),
    *("maxMessagePayloadSize", "state", "STATE_CONNECTING", "transport"),
)
TRANSPORT_PARTS = ("getHandle", "pauseProducing", "resumeProducing")


def missing_parts(send: Any) -> list[str]:
    """Return what a :class:`DaphneGate` needs and this Daphne has not."""
    protocol = send.args[0]
    missing = [f"protocol.{name}" for name in PROTOCOL_PARTS if not hasattr(protocol, name)]
    transport = getattr(protocol, "transport", None)
    if transport is not None:
        missing += [f"transport.{name}" for name in TRANSPORT_PARTS if not hasattr(transport, name)]
    return missing


class DaphneGate(Gate):
    """The gate of a line of Daphne: it stands where Twisted hands on what it has read."""

    __slots__ = ("_hand_over", "_protocol", "_transport")

    can_hold = True

    def __init__(
        self,
        send: Any,
        message_size: int,
        heard: Callable[[], object],
        broken: Callable[[], object],
    ) -> None:
        super().__init__(heard, broken)
        self._protocol: Any = send.args[0]
        self._transport: Any = self._protocol.transport
        self._hand_over: Any = self._protocol.dataReceived
        self._protocol.dataReceived = self.take
        limit = self._protocol.maxMessagePayloadSize
        self._protocol.maxMessagePayloadSize = min(limit, message_size) if limit else message_size

    def descriptor(self) -> int:
        """Return the number of the file of the line; -1 if it has none."""
        handle = self._transport.getHandle() if self._transport is not None else None
        return int(handle.fileno()) if handle is not None else -1

    def unsent(self) -> int:
        """Return how many bytes were written that the client has not read."""
        return unsent_bytes(self._transport)

    def end(self) -> None:
        """Forget the line, which has ended: Python frees it sooner without circles."""
        self.shut()
        if self._protocol is not None:
            self._protocol.__dict__.pop("dataReceived", None)
        self._protocol = self._transport = self._hand_over = None

    def _fragments(self) -> int:
        return len(getattr(self._protocol, "message_data", None) or ())

    def _is_busy(self) -> bool:
        return not self._protocol.application_queue.empty()

    def _hand_on(self, data: bytes) -> None:
        self._hand_over(data)

    def _stop_reading(self) -> None:
        if self._transport is not None:
            self._transport.pauseProducing()

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resumeProducing()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abortConnection()

    def _expect_pongs(self, is_expected: bool) -> None:
        # Daphne goes on to send pings, which keeps proxies content.
        protocol = self._protocol
        if protocol is None:
            return
        protocol.autoPingTimeout = protocol.factory.autoPingTimeout if is_expected else 0
        if not is_expected and protocol.autoPingTimeoutCall:
            protocol.autoPingTimeoutCall.cancel()
            protocol.autoPingTimeoutCall = None


# Answers to HTTP requests


class AnswerLine:
    """The line of one request of Daphne: a producer that Twisted pauses while it is full."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._room = asyncio.Event()
        self._room.set()
        self.key = request.transport
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(lambda _: self._room.set())

    def unsent(self) -> int:
        """Return how many bytes Twisted holds that the client has not taken."""
        return unsent_bytes(self.key) if getattr(self.key, "connected", True) else 0

    def unread(self) -> int:
        """Return how many bytes these are, and those in the kernel that were not read."""
        return self.unsent() + kernel.unread_bytes(getattr(self.key, "socket", None))

    async def room(self) -> None:
        """Wait while the transport is full."""
        if not self._room.is_set():
            await self._room.wait()

    def cut(self) -> None:
        """Drop the line with all that waits."""
        self.key.abortConnection()

    def release(self) -> None:
        """Let the request be finished."""
        self._room.set()
        request = self._request
        if request.producer is self:
            if getattr(request, "channel", None) is None:
                request.producer = None  # the line is down, and knows no producer any more
            else:
                request.unregisterProducer()

    def pauseProducing(self) -> None:  # noqa: N802  (as Twisted names it)
        """Hear that the transport is full."""
        self._room.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """Hear that it is empty again."""
        self._room.set()

    def stopProducing(self) -> None:  # noqa: N802
        """Hear that the line is down."""
        self._room.set()


def answer_line(send: Any) -> AnswerLine | None:
    """Return the line that Daphne's *send* writes to; None for a *send* that is not Daphne's."""
    if not is_of_daphne(send):
        return None
    request: Any = send.args[0]
    parts = ("registerProducer", "unregisterProducer", "notifyFinish", "transport")
    missing = [part for part in parts if not hasattr(request, part)]
    if missing or not hasattr(request.transport, "abortConnection"):
        if missing and not _told.intersection(missing):
            _told.update(missing)
            _tell(missing, "Answers that clients do not read pile up in its memory")
        return None
    if getattr(request, "channel", None) is None:  # the client is gone
        return None
    return AnswerLine(request)


def close_after_answer(send: Any) -> None:
    """Let Daphne close the line after the answer; its `send` looks at no `Connection: close`."""
    if is_of_daphne(send):
        channel: Any = getattr(send.args[0], "channel", None)
        if hasattr(channel, "persistent"):
            channel.persistent = 0


def _tell(missing: list[str], what: str) -> None:
    logger.warning(
        "This Daphne, or its Twisted, has no %s: %s. Take the versions in the documentation, or "
        "put a proxy in front that has such limits",
        ", ".join(missing),
        what,
        extra=fields("feature_missing"),
    )


# Requests, while they come

#: For how long what still comes is thrown away after a refusal (s); see `refusals.LINGER`.
LINGER = 2.0

#: How long a line may be idle between two requests, if Twisted does not say (s).
IDLE = 60.0

REASONS = {
    408: (b"Request Timeout", b"The body of the request took too long.\n"),
    413: (b"Content Too Large", b"The body of the request is too large.\n"),
    503: (b"Service Unavailable", b"Too much to do. Please ask again.\n"),
}


class Judge(Protocol):
    """Says which bodies are taken: 0, or the status of the refusal."""

    def judge_length(self, length: int) -> int:
        """Judge a body of *length* bytes."""

    def keep(self, size: int) -> int:
        """Count *size* bytes more."""

    def release(self, size: int) -> None:
        """Count them no more."""

    def note_late(self) -> int:
        """Judge a body that takes too long."""


class JudgedRequest:
    """A request of Daphne whose body is judged while it comes, not once it is here."""

    judge: Judge
    channel: Any
    content: Any
    requestHeaders: Any  # noqa: N815  (as Twisted names it)
    transport: Any
    refused = 0  # the status
    kept = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Judge the length that the head tells; None for a body in chunks."""
        status = self.judge.judge_length(length or 0)
        super().gotLength(0 if status else length)  # type: ignore[misc]
        if status:
            self.refuse(status)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a part of the body, if it may be kept."""
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
        """Answer at once; by HTTP/2 only when the body has come, of which nothing is kept."""
        self.refused = status
        self.requestHeaders.removeHeader(b"expect")
        self.release()
        if isinstance(self.channel, JudgedChannel):
            self.channel.refuse(status)

    def release(self) -> None:
        """Count what was kept no more."""
        self.judge.release(self.kept)
        self.kept = 0

    def process(self) -> Any:
        """Begin with the request, which is here as a whole."""
        if self.refused:
            reason, text = REASONS[self.refused]
            return self.basic_error(self.refused, reason, text.decode())  # type: ignore[attr-defined]
        result = super().process()  # type: ignore[misc]
        if self.transport is None:  # it is a WebSocket now, and has the body
            self.release()
        return result

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Forget the body of a client that is gone."""
        self.release()
        super().connectionLost(reason)  # type: ignore[misc]

    def finish(self) -> None:
        """Forget the body of a request that is answered."""
        self.release()
        super().finish()  # type: ignore[misc]


class JudgedChannel:
    """A line of HTTP/1.1 whose client may not take as long as it likes."""

    requests: list[Any]
    transport: Any
    is_refused = False
    _deadline: Any = None

    def connectionMade(self) -> None:  # noqa: N802
        """Wait for the first head."""
        super().connectionMade()  # type: ignore[misc]
        self._expect(configuration().REQUEST_HEAD_TIMEOUT, self.timeoutConnection)  # type: ignore[attr-defined]

    def allHeadersReceived(self) -> None:  # noqa: N802
        """Wait for the body."""
        self._expect(configuration().REQUEST_BODY_TIMEOUT, self._body_is_late)
        super().allHeadersReceived()  # type: ignore[misc]

    def allContentReceived(self) -> None:  # noqa: N802
        """Wait no more; throw a request away that was refused."""
        if self.is_refused:
            self.transport.loseConnection()
            return
        self._expect()
        super().allContentReceived()  # type: ignore[misc]

    def requestDone(self, request: Any) -> None:  # noqa: N802
        """Wait for the next head, idle time included."""
        idle = getattr(self, "timeOut", None) or IDLE
        late = self.timeoutConnection  # type: ignore[attr-defined]
        self._expect(idle + configuration().REQUEST_HEAD_TIMEOUT, late)
        super().requestDone(request)  # type: ignore[misc]

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Wait no more."""
        self._expect()
        super().connectionLost(reason)  # type: ignore[misc]

    def refuse(self, status: int) -> None:
        """Answer with *status*, end our side of the line, and the other soon after."""
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
        """Call *otherwise* after so many seconds, and nothing that was to be called before."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = self.callLater(seconds, otherwise) if otherwise else None  # type: ignore[attr-defined]


#: What the two classes above stand upon.
PARTS = {
    "HTTPFactory": ("buildProtocol",),
    "WebRequest": ("gotLength", "handleContentChunk", "process", "connectionLost", "basic_error"),
    "HTTPChannel": (
        *("connectionMade", "allHeadersReceived", "allContentReceived", "requestDone"),
        *("connectionLost", "timeoutConnection"),
    ),
    "_GenericHTTPChannelProtocol": (),
}


def judge_requests(judge: Judge) -> None:
    """Let *judge* look at requests while they come, wherever this process runs Daphne.

    Before its server is started: it takes its classes then.
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
    missing = [name for name, one in found.items() if one is None]
    missing += [
        f"{name}.{part}"
        for name, parts in PARTS.items()
        for part in parts
        if found[name] is not None and not hasattr(found[name], part)
    ]
    if missing:
        _tell(missing, "Bodies of requests are judged only when they are here, and slow heads wait")
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
            built = super().buildProtocol(address)
            built.requestFactory = request
            return built

    return Factory


def _without_forms(request: Any) -> Any:
    """Return the class of a *request* whose forms Twisted does not parse: Django does."""
    twisted = next(each for each in request.__mro__ if each.__module__ == "twisted.web.http")
    if "parsePOSTFormSubmission" not in inspect.signature(twisted).parameters:
        return request

    class Formless(request):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, parsePOSTFormSubmission=False, **options)

    return Formless
