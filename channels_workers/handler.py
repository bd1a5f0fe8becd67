"""Django's views as the consumer of ``http.request``. The names are those of Channels 1.1.8."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar, TypeGuard

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import FileResponse, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.views.debug import technical_500_response

from channels_workers.django_parts import note_handler
from channels_workers.exceptions import RequestAborted, RequestTimeout, ResponseLater
from channels_workers.flow import CHUNK
from channels_workers.http.bodies import body_of
from channels_workers.http.views import asend_response, send_response
from channels_workers.interface.script_name import mounted, script_name
from channels_workers.interface.types import Scope
from channels_workers.layers.codec import Content
from channels_workers.message import Message

__all__ = ["AsgiHandler", "AsgiRequest", "ViewConsumer"]

logger = logging.getLogger("django.request")


class AsgiRequest(ASGIRequest):
    """Django's request, made of *message*, an ``http.request``.

    ``message`` and ``reply_channel`` are those of the message. The body is read when a view asks
    for it. Raises ``UnicodeDecodeError`` for a query string that is not UTF-8.
    """

    ResponseLater = ResponseLater

    #: How long a view waits for the next piece of the body (s).
    body_receive_timeout = 60

    def __init__(self, message: Message) -> None:
        self.message = message
        self.reply_channel = message.reply_channel
        #: Whether somebody else answers: the view has raised ResponseLater.
        self.is_answered_later = False
        body, self._upload = body_of(message, self.body_receive_timeout)
        super().__init__(scope_of(message), body)
        if size := message.get("body_size"):
            # Django's limits look at it. For a body in chunks a client sends none, or a wrong one.
            self.META["CONTENT_LENGTH"] = str(size)

    @property
    def upload_failure(self) -> RequestAborted | RequestTimeout | None:
        """Why the body cannot be read, None if it can."""
        return None if self._upload is None else self._upload.failure


class AsgiHandler(BaseHandler):
    """Runs Django's middleware and views for the requests of a channel."""

    request_class: ClassVar[type[AsgiRequest]] = AsgiRequest

    ResponseLater = ResponseLater

    #: The most bytes of a response in one message.
    chunk_size = CHUNK

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()

    def __call__(self, message: Message) -> Iterator[Content]:
        """Yield the response to *message* as contents for its reply channel; none if it is later.

        The generator closes the response at its end.
        """
        response = self.respond(message)
        if response is not None:
            try:
                yield from self.contents(message, response)
            finally:
                response.close()

    def respond(self, message: Message) -> HttpResponseBase | None:
        """Return the response to *message*, to be closed. None if the worker sends nothing."""
        scope = scope_of(message)
        set_script_prefix(settings.FORCE_SCRIPT_NAME or scope.get("root_path") or "/")
        signals.request_started.send(sender=type(self), scope=scope, message=message)
        try:
            request = self.request_class(message)
        except UnicodeDecodeError:
            extra = {"status_code": 400}
            logger.warning("Bad Request (UnicodeDecodeError)", exc_info=True, extra=extra)
            response: HttpResponseBase = HttpResponseBadRequest()
            is_answered = True
        else:
            response = self.get_response(request)
            is_answered = not isinstance(request.upload_failure, RequestAborted)
            is_answered = is_answered and not request.is_answered_later
        note_handler(response, type(self))
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not is_answered:
            response.close()
            return None
        return response

    def get_response(self, request: Any) -> HttpResponseBase:
        """Return the response of middleware and views, 408 if the body did not come."""
        response = super().get_response(request)
        if isinstance(request.upload_failure, RequestTimeout):
            response.close()
            return HttpResponse("408 Request Timeout (upload too slow)", status=408)
        return response

    def process_exception_by_middleware(self, exception: Exception, request: Any) -> Any:
        """Let no middleware see what is no error of the view."""
        if isinstance(exception, ResponseLater):
            request.is_answered_later = True
        elif request.upload_failure is None:
            return super().process_exception_by_middleware(exception, request)
        return HttpResponse(status=204)  # it goes through the middleware, and to nobody

    @classmethod
    def contents(cls, message: Message, response: HttpResponseBase) -> Iterator[Content]:
        """Yield *response* as contents, without its body where HTTP has none."""
        if has_body(message, response):
            return cls.encode_response(response)
        return iter([{**head_of(response), "content": b"", "more_content": False}])

    @classmethod
    def send_response(cls, message: Message, response: HttpResponseBase) -> None:
        """Send *response*, of any size, as the answer to *message*; then close it.

        A small one goes out with the commit, others now, in pieces as the client takes them. It
        blocks, so coroutines call it in a thread.
        """
        if isinstance(response, FileResponse):
            response.block_size = cls.chunk_size
        send_response(message, response, cls.contents(message, response))

    @classmethod
    def encode_response(cls, response: HttpResponseBase) -> Iterator[Content]:
        """Yield *response* as contents for a reply channel.

        The first has ``status`` and ``headers``. Each has up to ``chunk_size`` bytes of ``content``
        and says whether ``more_content`` comes. A streaming response ends with an empty one.
        """
        head = head_of(response)
        if isinstance(response, HttpResponse):
            for chunk, is_last in cls.chunk_bytes(response.content):
                yield {**head, "content": chunk, "more_content": not is_last}
                head = {}
            return
        for part in parts_of(response):
            for chunk, _ in cls.chunk_bytes(part):
                yield {**head, "content": chunk, "more_content": True}
                head = {}
        yield {**head, "content": b"", "more_content": False}

    @classmethod
    async def aencode_response(cls, response: StreamingHttpResponse) -> AsyncGenerator[Content]:
        """Do the same as :meth:`encode_response` for an asynchronous iterator."""
        head = head_of(response)
        async for part in response:
            for chunk, _ in cls.chunk_bytes(part):
                yield {**head, "content": chunk, "more_content": True}
                head = {}
        yield {**head, "content": b"", "more_content": False}

    @classmethod
    def chunk_bytes(cls, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield *data* in chunks, each with whether it is the last one."""
        for start in range(0, max(1, len(data)), cls.chunk_size):
            end = start + cls.chunk_size
            yield data[start:end], end >= len(data)


class ViewConsumer:
    """The consumer of ``http.request`` that Django's views answer.

    A response of up to INLINE_RESPONSE bytes goes out with the commit of the message. Others go out
    as the client takes them, and so do streaming ones, part by part.
    """

    handler_class: ClassVar[type[AsgiHandler]] = AsgiHandler

    @cached_property
    def handler(self) -> AsgiHandler:
        """The handler. It is made for the first request, as routes are imported before the apps."""
        return self.handler_class()

    def __call__(self, message: Message, **kwargs: Any) -> Any:
        """Answer *message*."""
        handler = self.handler
        response = handler.respond(message)
        if response is None:
            return None
        if is_async(response) and has_body(message, response):
            return asend_response(message, response, handler.aencode_response(response))
        send_response(message, response, handler.contents(message, response))
        return None


def error_content(message: Message, error: BaseException) -> Content:
    """Return Django's page for *error* of the consumer of *message*, as one content.

    It is for ``DEBUG``. Raises what goes wrong.
    """
    response = technical_500_response(AsgiRequest(message), type(error), error, error.__traceback__)
    return {**head_of(response), "content": response.content, "more_content": False}


def scope_of(message: Message) -> Scope:
    """Return the ASGI scope of *message*, with the script name in front of its path."""
    query = message.get("query_string") or b""
    scope = {
        "type": "http",
        "http_version": message.get("http_version", "1.1"),
        "method": message.get("method") or "GET",
        "path": message["path"],
        "root_path": message.get("root_path") or "",
        "scheme": message.get("scheme"),
        "query_string": query.encode() if isinstance(query, str) else bytes(query),
        "headers": _with_one_cookie(_pairs(message.get("headers") or ())),
        "client": message.get("client"),
        "server": message.get("server"),
    }
    if "body_size" not in message:  # it is not of an interface server
        return mounted(scope)
    prefix = script_name(scope)
    return {**scope, "root_path": prefix, "path": prefix + scope["path"]}


def _pairs(headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> Iterator[tuple[bytes, bytes]]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for name, value in pairs:
        yield _bytes(name).lower(), _bytes(value)


def _with_one_cookie(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Join what HTTP/2 may split over several headers; Django would join it with a comma."""
    found = list(headers)
    cookies = [value for name, value in found if name == b"cookie"]
    if len(cookies) < 2:
        return found
    others = [header for header in found if header[0] != b"cookie"]
    return [*others, (b"cookie", b"; ".join(cookies))]


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin1") if isinstance(value, str) else bytes(value)


def head_of(response: HttpResponseBase) -> Content:
    """Return status and headers of *response*, one ``Set-Cookie`` for each cookie."""
    headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    cookies = (morsel.output(header="").strip() for morsel in response.cookies.values())
    headers += [(b"Set-Cookie", cookie.encode("ascii")) for cookie in cookies]
    return {"status": response.status_code, "headers": headers}


def is_async(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Say whether the parts of *response* come from an asynchronous iterator."""
    return isinstance(response, StreamingHttpResponse) and response.is_async


def has_body(message: Message, response: HttpResponseBase) -> bool:
    """Say whether a response to *message* may have a body (RFC 9110)."""
    status = response.status_code
    is_head = str(message.get("method")).upper() == "HEAD"
    return not is_head and status >= 200 and status not in (204, 304)


def parts_of(response: Any) -> Iterator[bytes]:
    """Yield the parts of a streaming response, also of one whose iterator is asynchronous."""
    if not response.is_async:
        yield from response
        return
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        parts = aiter(response)
        with suppress(StopAsyncIteration):
            while True:
                yield runner.run(_next(parts))


async def _next(parts: AsyncIterator[bytes]) -> bytes:
    return await anext(parts)
