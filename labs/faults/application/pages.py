"""Pages that take a while. Each run of a view has a row of its own: its lines in the diary."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from channels_workers.handler import AsgiRequest
from labs.faults.application.diary import entered
from labs.faults.bodies import piece

#: Bytes that an upload reads at once.
PART = 64 * 1024


def work(request: AsgiRequest, key: str) -> HttpResponse:
    """Take ``seconds`` to answer."""
    with entered(request.message, key):
        time.sleep(float(request.GET["seconds"]))
    return HttpResponse(f"done: {key}")


async def block(request: HttpRequest) -> HttpResponse:
    """Block the event loop of the interface server for ``seconds``, as no async view should."""
    time.sleep(float(request.GET["seconds"]))  # noqa: ASYNC251
    return HttpResponse("done")


def download(request: AsgiRequest, key: str) -> StreamingHttpResponse:
    """Answer with ``pieces`` pieces, and pause for ``seconds`` after each."""
    pieces, seconds = int(request.GET["pieces"]), float(request.GET["seconds"])

    def parts() -> Iterator[bytes]:
        with entered(request.message, key):
            for number in range(pieces):
                yield piece(number)
                time.sleep(seconds)

    return StreamingHttpResponse(parts(), content_type="application/octet-stream")


def upload(request: AsgiRequest, key: str) -> HttpResponse:
    """Read the body in parts, and pause for ``seconds`` after each."""
    size, seconds = 0, float(request.GET["seconds"])
    with entered(request.message, key):
        while part := request.read(PART):
            size += len(part)
            time.sleep(seconds)
    return HttpResponse(str(size))
