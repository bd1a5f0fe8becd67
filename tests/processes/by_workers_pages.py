"""Views and consumers that a test can watch and hold; see `by_workers`."""

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import redis
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import etag

from channels_workers import Group, route
from channels_workers.http.sse import last_event_id, server_sent_event, start
from channels_workers.message import Message
from tests.processes.by_workers import CLOSED, GO, IMPORTED, PART, RUN


def note(name: str, what: str) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.rpush(name, what)


def wait_until_told() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None) as client:
        client.blpop([GO], 60)
        client.rpush(GO, "on")  # for the next view


def greet(request: HttpRequest) -> HttpResponse:
    """A page with two cookies."""
    response = HttpResponse(f"{request.method} {request.GET.get('name', 'nobody')}")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


@etag(lambda request: '"fixed"')
def tagged(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the page")


def process(request: HttpRequest) -> HttpResponse:
    """The id of the process that runs it."""
    return HttpResponse(str(os.getpid()))


async def awaited(request: HttpRequest) -> HttpResponse:
    return HttpResponse("awaited")


@csrf_exempt
def digest(request: HttpRequest) -> HttpResponse:
    """The SHA-256 of the body, read in parts."""
    found = hashlib.sha256()
    while part := request.read(PART):
        found.update(part)
    return HttpResponse(found.hexdigest())


@csrf_exempt
def form(request: HttpRequest) -> HttpResponse:
    """The length and the field of a form with a file."""
    return HttpResponse(f"{request.POST['field']} {request.FILES['file'].size}")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(os.environ["DOWNLOAD"]).open("rb"))


def stream(request: HttpRequest, count: int) -> StreamingHttpResponse:
    """So many parts, numbered; each generator notes its end."""

    def parts() -> Iterator[bytes]:
        try:
            for number in range(count):
                yield b"%08d" % number * (PART // 8)
        finally:
            note(CLOSED, "stream")

    return StreamingHttpResponse(parts())


async def astream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d " % number

    return StreamingHttpResponse(parts())


@csrf_exempt
def held(request: HttpRequest) -> HttpResponse:
    """Wait until told."""
    note(RUN, f"{request.method} {os.getpid()}")
    wait_until_told()
    return HttpResponse("done")


def large(request: HttpRequest, size: int) -> HttpResponse:
    return HttpResponse(bytes(size))


def held_stream(request: HttpRequest) -> StreamingHttpResponse:
    """A part, then wait until told, then the rest."""

    def parts() -> Iterator[bytes]:
        note(RUN, f"stream {os.getpid()}")
        yield b"first"
        wait_until_told()
        yield b"last"

    return StreamingHttpResponse(parts())


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("as asked for")


def poll(message: Message) -> None:
    """A long poll: what is said next answers it."""
    assert message.reply_channel is not None
    Group("polls").add(message.reply_channel)
    note(RUN, "poll")


def events(message: Message) -> None:
    """A stream of what is said."""
    assert message.reply_channel is not None
    start(message)
    first = server_sent_event(f"after {last_event_id(message)}", id="1")
    message.reply_channel.send(first)
    Group("events").add(message.reply_channel)


def gone(message: Message) -> None:
    note(CLOSED, message["path"])


def say(message: Message) -> None:
    """Tell polls and streams what a socket says."""
    Group("polls").send({"status": 200, "content": message["text"].encode()})
    Group("events").send(server_sent_event(message["text"], id="2"))
    assert message.reply_channel is not None
    message.reply_channel.send({"text": f"told {message['text']}"})


if settings.REDIS_URL:
    note(IMPORTED, str(os.getpid()))

channel_routing = [
    route("http.request", poll, path="^/poll/$"),
    route("http.request", events, path="^/events/$"),
    route("http.disconnect", gone),
    route("websocket.receive", say),
]

urlpatterns = [
    path("greet/", greet),
    path("tagged/", tagged),
    path("process/", process),
    path("here/process/", process),
    path("awaited/", awaited),
    path("digest/", digest),
    path("form/", form),
    path("file/", file),
    path("large/<int:size>/", large),
    path("stream/<int:count>/", stream),
    path("astream/", astream),
    path("held/", held),
    path("held/stream/", held_stream),
    path("fail/", fail),
]
