"""Settings with the limits from LIMITS (JSON), and views that reach them."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from channels_workers.interface.http.slots import leave_place
from channels_workers.interface.servers.daphne import requests as daphne
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as CHAT

if "WITHOUT" in os.environ:  # other versions of Daphne lack it
    daphne.PARTS["WebRequest"] = ("noSuchPart",)

ROOT_URLCONF = "tests.processes.limits"
CHANNEL_WORKERS = {**CHAT, **json.loads(os.environ.get("LIMITS", "{}"))}
PAGES = Path(os.environ.get("PAGES", "/nowhere"))
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the chat's own limit is lower


def size(request: HttpRequest) -> HttpResponse:
    """How many bytes the request body had."""
    return HttpResponse(str(len(request.body)))


def large(request: HttpRequest, count: int) -> HttpResponse:
    """A response of this many bytes, made at once."""
    return HttpResponse(b"x" * count)


def stream(request: HttpRequest, count: int) -> StreamingHttpResponse:
    """A response of this many bytes, made on demand."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(count // 65_536):
            await asyncio.sleep(0)
            yield b"x" * 65_536

    return StreamingHttpResponse(parts())


def hold(request: HttpRequest) -> HttpResponse:
    """Wait with a database connection until the file ``go`` exists in the folder PAGES.

    Meanwhile the file ``in-...`` exists there. A file ``seen-N`` shows that N requests were inside
    at once.
    """
    connection.ensure_connection()
    own = PAGES / f"in-{uuid4()}"
    own.touch()
    (PAGES / f"seen-{len([*PAGES.glob('in-*')])}").touch()
    while not (PAGES / "go").exists():
        time.sleep(0.01)
    own.unlink()
    return HttpResponse("late")


def poll(request: HttpRequest) -> HttpResponse:
    """Like `hold`, but without a slot."""
    leave_place(request)
    return hold(request)


async def events(request: HttpRequest) -> StreamingHttpResponse:
    """One event, then silence."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"data: first\n\n"
        while not (PAGES / "go").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    return StreamingHttpResponse(parts(), content_type="text/event-stream")


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("as asked for")


urlpatterns = [
    path("size/", csrf_exempt(size)),
    path("large/<int:count>/", large),
    path("stream/<int:count>/", stream),
    path("hold/", hold),
    path("poll/", poll),
    path("events/", events),
    path("fail/", fail),
    re_path("^host/$", lambda request: HttpResponse(request.get_host())),
]
