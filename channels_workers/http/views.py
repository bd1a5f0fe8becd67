"""Sends what views answer: small responses with the commit, others while they are made."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.http import FileResponse
from django.http.response import HttpResponseBase

from channels_workers.conf import configuration
from channels_workers.django_parts import close_iterator
from channels_workers.exceptions import RequestAborted, ResponseBroken
from channels_workers.flow import LISTEN_TIMEOUT, WINDOW
from channels_workers.http.responses import ResponseSender
from channels_workers.layers.codec import Content
from channels_workers.message import Message

logger = logging.getLogger(__name__)


def send_response(
    message: Message, response: HttpResponseBase, contents: Iterator[Content]
) -> None:
    """Send *response*, encoded as *contents*, as the answer to *message*; then close it."""
    sender = ResponseSender(
        message, is_finished=not response.streaming, is_quick=_is_quick(response)
    )
    try:
        with _broken_by_errors(message, sender):
            if _is_small_file(response, sender):
                contents = iter([_joined(contents)])
            for content in contents:
                if _is_refused(content, sender):
                    message.reply_channel.send(sender.refusal)
                    break
                _send(message, sender, content)
    finally:
        sender.leave()
        response.close()


async def asend_response(
    message: Message, response: HttpResponseBase, contents: AsyncGenerator[Content]
) -> None:
    """Do the same as :func:`send_response`, for an asynchronous response."""
    sender = ResponseSender(message)
    try:
        with _broken_by_errors(message, sender):
            if not sender.may_wait:
                await message.reply_channel.asend(sender.refusal)
                return
            made = _patient(response, contents, sender)
            async with aclosing(contents), aclosing(made) as parts:
                async for content in parts:
                    await _asend(message, sender, content)
    finally:
        sender.leave()
        await _aclose(response)


def _send(message: Message, sender: ResponseSender, content: Content) -> None:
    if not sender.has_begun and _is_whole(content, sender):
        message.reply_channel.send(content)
        return
    for piece in sender.pieces(content):
        if piece["more_content"]:
            sender.send(piece)
        else:
            message.reply_channel.send(sender.numbered(piece))


async def _asend(message: Message, sender: ResponseSender, content: Content) -> None:
    # Each step takes a thread for a short time: others stream, too.
    for piece in sender.pieces(content):
        if piece["more_content"]:
            await _in_thread(sender.put, piece)
            while sender.is_ahead:
                await _in_thread(sender.wait)
        else:
            await message.reply_channel.asend(sender.numbered(piece))


def _is_whole(content: Content, sender: ResponseSender) -> bool:
    return not content["more_content"] and len(content["content"]) <= sender.last_size


async def _in_thread(step: Callable[..., None], *args: Any) -> None:
    await sync_to_async(step, thread_sensitive=False)(*args)


async def _patient(
    response: HttpResponseBase, contents: AsyncGenerator[Content], sender: ResponseSender
) -> AsyncGenerator[Content]:
    """Yield *contents* of *response*; raise RequestAborted if the client goes while none comes.

    One task makes them all, and closes the iterator: its time-outs and task groups need that.
    """
    wanted, changed = asyncio.Semaphore(0), asyncio.Event()
    made: list[Content] = []

    async def make() -> None:
        try:
            await wanted.acquire()
            async for content in contents:
                made.append(content)
                changed.set()
                await wanted.acquire()
        finally:
            await contents.aclose()
            await close_iterator(response)
            changed.set()

    making = asyncio.create_task(make())
    making.add_done_callback(lambda _: changed.set())
    try:
        while True:
            changed.clear()
            wanted.release()
            while not await _is_set(changed, sender):
                await _in_thread(sender.look)
            if not made:
                break
            yield made.pop()
        await making
    finally:
        making.cancel()
        await asyncio.wait({making})
        if not making.cancelled():
            making.exception()  # which is raised above, or comes too late


async def _is_set(event: asyncio.Event, sender: ResponseSender) -> bool:
    """Wait for *event*, for LISTEN_TIMEOUT at most; let *sender* count the time."""
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(LISTEN_TIMEOUT):
            await event.wait()
    sender.waited += time.monotonic() - began
    return event.is_set()


async def _aclose(response: HttpResponseBase) -> None:
    await close_iterator(response)
    await sync_to_async(response.close)()


@contextmanager
def _broken_by_errors(message: Message, sender: ResponseSender) -> Iterator[None]:
    """Raise ResponseBroken for an error after the beginning; stop if the client has gone.

    The worker then answers 500. To the server, that is a second status, which cuts the response.
    """
    try:
        yield
    except RequestAborted as error:
        logger.debug("The response to %s ends early: %s", message.id, error)
    except Exception as error:
        if not sender.has_begun:
            raise
        raise ResponseBroken(f"The response broke off after {sender.sent:,} bytes.") from error


def _is_refused(content: Content, sender: ResponseSender) -> bool:
    """Say whether no response must begin with *content*: its client might hold a thread."""
    return not (sender.has_begun or _is_whole(content, sender) or sender.may_wait)


def _is_quick(response: HttpResponseBase) -> bool:
    """Say whether *response* waits for no client, however slow that is."""
    if response.streaming:
        return 0 <= _length_of(response) <= WINDOW
    return len(getattr(response, "content", b"")) <= configuration().ANSWER_BYTES_WAITING


def _length_of(response: HttpResponseBase) -> int:
    size = response.headers.get("Content-Length", "")
    return int(size) if size.isdecimal() else -1


def _is_small_file(response: HttpResponseBase, sender: ResponseSender) -> bool:
    return isinstance(response, FileResponse) and 0 <= _length_of(response) <= sender.last_size


def _joined(contents: Iterator[Content]) -> Content:
    head, *rest = contents
    content = b"".join(each["content"] for each in (head, *rest))
    return {**head, "content": content, "more_content": False}
