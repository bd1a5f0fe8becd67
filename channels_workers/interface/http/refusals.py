"""Refusals: the interface server answers these HTTP requests itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from channels_workers.interface.http.exchanges import note_status
from channels_workers.interface.servers.daphne.server import close_after_answer
from channels_workers.interface.types import Receive, Scope, Send

#: For how long the rest of a request is read and dropped after the answer (s). If the server closed
#: the connection at once, TCP would reset it, and the client might not see the answer.
LINGER = 2.0

TEXTS = {
    408: b"The body of the request took too long.\n",
    413: b"The body of the request is too large.\n",
    429: b"Too many requests of one address.\n",
    431: b"The head of the request is too large.\n",
    500: b"The server failed to answer this request.\n",
    502: b"No worker finished this request.\n",
    503: b"Too much to do. Please ask again.\n",
}

#: The Retry-After of a refusal (s).
RETRY_AFTER = {429: b"5", 503: b"5"}


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    text: bytes = b"",
    retry_after: bytes = b"",
) -> None:
    """Answer *status*, drop the rest of the request, and have the connection closed."""
    body = text or TEXTS[status]
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if retry_after := retry_after or RETRY_AFTER.get(status, b""):
        headers.append((b"retry-after", retry_after))
    await _answer(scope, receive, send, status, headers, body)


async def _answer(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    note_status(scope, status)
    headers += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    close_after_answer(send)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while (event := await receive())["type"] == "http.request" and event.get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def refuse_for_now(
    scope: Scope, receive: Receive, send: Send, text: bytes = b"", retry_after: bytes = b""
) -> None:
    """Answer 503; let an ``EventSource``, which gives up after an error, come back by itself."""
    if not _takes_events(scope):
        await refuse(scope, receive, send, 503, text, retry_after)
        return
    body = b"retry: %d\n\n" % (1000 * int(retry_after or RETRY_AFTER[503]))
    await _answer(scope, receive, send, 200, [(b"content-type", b"text/event-stream")], body)


def _takes_events(scope: Scope) -> bool:
    accepted = (value for name, value in scope.get("headers", ()) if name == b"accept")
    is_wanted = any(b"text/event-stream" in value.lower() for value in accepted)
    return is_wanted and scope["method"] == "GET"
