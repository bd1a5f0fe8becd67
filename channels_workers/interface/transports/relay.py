"""Between the servers of a site, through the channel layer: who holds a socket is asked for it.

Without sticky sessions any server may get a request. Each server with virtual sockets has a
mailbox in the layer, whose name is in the ids of its sockets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any

from channels_workers.concurrency.futures import settle
from channels_workers.exceptions import LayerUnavailable
from channels_workers.interface.transports.homes import NOT_HERE
from channels_workers.interface.transports.refusals import Busy, Stopping
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import server_of
from channels_workers.log_limits import Episodes
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: The type of the messages between servers.
KIND = "channels_workers.transport"

#: How long the server that holds a socket may take to answer, beside the wait that it is asked for
#: (s). After that it is asked again, and then the layer is asked whether it is alive.
ANSWER_TIME = 3.0

#: How long a relayed poll waits for frames (s). The death of the server is noticed after that.
WAIT = 8.0

#: Requests of this server that others may have to answer.
ASKED = 10_000

#: The most bytes of frames in one message, as a share of what the layer takes.
SHARE = 2

#: How long a server that stops waits for its last answers to others (s).
LAST_ANSWERS = 1.0


class Relay:
    """Asks other servers, and lets *answer* answer what they ask."""

    def __init__(
        self, layer: Callable[[], WorkerLayer], answer: Callable[[Content], Awaitable[Content]]
    ) -> None:
        self._get_layer = layer
        self._answer = answer
        self._name: str | None = None
        self._opening = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Content]] = {}
        self._parts: dict[int, list[bytes]] = {}
        self._numbers = count(1)
        self._answering: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._episodes = Episodes()

    async def name(self) -> str:
        """Return the name of the mailbox of this server, "" if all servers are this one.

        Raises :class:`LayerUnavailable`.
        """
        layer = self._get_layer()
        if layer.local_only:
            return ""
        async with self._opening:
            if self._name is None:
                self._name = await layer.new_channel()
                self._reading = asyncio.create_task(self._read(layer, self._name))
            return str(self._name)

    async def _read(self, layer: WorkerLayer, name: str) -> None:
        """Read the mailbox until the server leaves the layer, or is evicted from it."""
        try:
            while True:
                content = await layer.receive(name)
                if content.get("type") == KIND:
                    self._take(content)
        except (LayerUnavailable, ValueError):  # the next request opens another one
            self._name = None

    def _take(self, content: Content) -> None:
        if "answers" in content:
            self._note(content)
        else:
            self._begin(self._serve(content))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    # Asking

    async def ask(self, home: str, asked: Content, wait: float = 0.0) -> Content:
        """Return what the server with the mailbox *home* answers, "gone" if it is.

        *wait* is how long it may wait. It is asked again once, as what is asked may be repeated,
        and messages are lost if Redis loses its data. Raises :class:`LayerUnavailable`,
        :class:`Busy`, and :class:`Stopping`.
        """
        for seconds in (wait, 0.0):
            with suppress(TimeoutError):
                return await self._ask(home, {**asked, "wait": seconds}, seconds)
        registered = await asyncio.to_thread(self._get_layer().admin.processes)
        if server_of(home) in registered:  # it is dead, and that is not known yet, or it is slow
            raise LayerUnavailable("The server that holds the socket does not answer.")
        return NOT_HERE

    async def _ask(self, home: str, asked: Content, wait: float) -> Content:
        if self._is_stopping:
            raise Stopping
        if len(self._asked) >= ASKED:
            text = "%d requests wait for other servers: more are answered 503"
            extra = fields("transport_failed")
            self._episodes.log(logger, logging.WARNING, text, ASKED, extra=extra)
            raise Busy
        number = next(self._numbers)
        answer: asyncio.Future[Content] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            await self._send(home, number, asked)
            async with asyncio.timeout(wait + ANSWER_TIME):
                return await answer
        finally:
            self._asked.pop(number, None)
            self._parts.pop(number, None)

    async def _send(self, home: str, number: int, asked: Content) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIME):
                content = {
                    "type": KIND,
                    "number": number,
                    "back": await self.name(),
                    "asked": asked,
                }
                await self._get_layer().send(home, content)
        except TimeoutError:
            raise LayerUnavailable("The layer does not answer.") from None

    def _note(self, content: Content) -> None:
        number = content["answers"]
        answer = self._asked.get(number)
        if answer is None:  # nobody waits for it any longer
            return
        if data := content.get("part"):
            self._parts.setdefault(number, []).append(data)
            return
        found = dict(content["answer"])
        if number in self._parts:
            found["data"] = b"".join(self._parts[number])
        settle(answer, found)

    def is_own(self, name: str) -> bool:
        """Say whether *name* is that of the mailbox of this server."""
        return name == self._name

    def part_size(self) -> int:
        """Return how many bytes of frames go into one message."""
        return self._get_layer().codec.message_size // SHARE

    # Answering

    async def _serve(self, content: Content) -> None:
        try:
            answer = await self._answer(content["asked"])
            await self._send_back(content["back"], content["number"], answer)
        except LayerUnavailable as error:  # that server will ask again, or its client will
            logger.debug("An answer to another server is lost: %s", error)
        except Exception as error:  # noqa: BLE001  (of another release, perhaps; that one gives up)
            text = "What another server asks about a socket cannot be answered: %s"
            extra = fields("transport_failed")
            self._episodes.log(logger, logging.ERROR, text, described(error), extra=extra)

    async def _send_back(self, back: str, number: int, answer: Content) -> None:
        layer, size = self._get_layer(), self.part_size()
        data = answer.get("data", b"")
        if len(data) > size:
            answer = {**answer, "data": b""}
            for at in range(0, len(data), size):
                part = {"type": KIND, "answers": number, "part": data[at : at + size]}
                await layer.send(back, part)
        await layer.send(back, {"type": KIND, "answers": number, "answer": answer})

    # The end

    def stop(self) -> None:
        """Wait for other servers no longer, as this one stops."""
        self._is_stopping = True
        for answer in list(self._asked.values()):
            if not answer.done():
                answer.set_exception(Stopping())

    async def settle(self) -> None:
        """Give the last answers to other servers a moment to go out, and read no more."""
        if self._answering:
            await asyncio.wait(self._answering, timeout=LAST_ANSWERS)
        if self._reading is not None:
            self._reading.cancel()
