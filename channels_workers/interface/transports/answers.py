"""What requests of fallback transports get back: JSON, or a stream of events."""

from __future__ import annotations

import json
from typing import Any

from channels_workers.interface.http.responses import Answer

#: A page of another site may read none of it: there are no CORS headers.
COMMON = [
    (b"cache-control", b"no-store, no-transform"),
    (b"x-content-type-options", b"nosniff"),
]

JSON = [(b"content-type", b"application/json"), *COMMON]

#: nginx would keep events until 4 or 8 KiB are together.
EVENTS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
    *COMMON,
]

#: The first bytes tell the client at once that no proxy keeps the stream back.
BEGIN = b": begins\n\n"

#: What keeps proxies from ending a stream without events.
KEEP_ALIVE = b":\n\n"


async def send_json(
    answer: Answer, told: bytes | dict[str, Any], status: int = 200, retry_after: int = 0
) -> None:
    """Answer with *told*."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    headers = [*JSON, (b"content-length", str(len(body)).encode())]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    await answer.send({"type": "http.response.start", "status": status, "headers": headers})
    await answer.send({"type": "http.response.body", "body": body, "more_body": False})


async def begin_events(answer: Answer) -> None:
    """Begin a stream."""
    await answer.send({"type": "http.response.start", "status": 200, "headers": EVENTS})
    await send_part(answer, BEGIN)


async def send_part(answer: Answer, part: bytes) -> None:
    """Send *part* of a stream."""
    await answer.send({"type": "http.response.body", "body": part, "more_body": True})


async def end_events(answer: Answer) -> None:
    """End a stream."""
    await answer.send({"type": "http.response.body", "body": b"", "more_body": False})


def event(number: int, data: bytes) -> bytes:
    """Return the event of frames as JSON, the last of which has this number."""
    return b"id: %d\ndata: %s\n\n" % (number, data)
