"""Lets an application act on SIGTERM and SIGINT before the server program that runs it does.

Daphne and uvicorn end the sockets' coroutines when they get one, in ways and orders of their own:
Daphne, at times, ends none of them, and sends no close frame.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from channels_workers.concurrency import forks
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """On the first signal *say* runs, with its number, to its end; then the server gets it.

    Meanwhile SIGINT goes to the server at once, and SIGTERM is one that was passed on twice: a
    supervisor sends it to all processes, and a parent among them to its children.
    """

    def __init__(self, act: Callable[[int], Awaitable[None]]) -> None:
        self.act = act
        self.is_installed = False
        self._process: object = None
        self._previous: dict[int, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._acting_in: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Stand before the server's handlers, which it has set by its first request.

        Python allows that in the main thread alone: under Django's autoreloader, which runs the
        server in another, nobody says goodbye.
        """
        self.is_installed = True
        if threading.current_thread() is threading.main_thread():
            self._loop, self._process = asyncio.get_running_loop(), forks.current
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._process is not forks.current:  # a forked child has no sockets, and no loop yet
            self._pass_on(number, frame)
            return
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            self._acting_in = loop
            loop.call_soon_threadsafe(self._begin, number, frame)
        elif number != signal.SIGTERM or not self._is_acting():
            self._pass_on(number, frame)

    def _is_acting(self) -> bool:
        return self._acting_in is not None and self._acting_in.is_running()

    def _begin(self, number: int, frame: FrameType | None) -> None:
        self._task = asyncio.get_running_loop().create_task(self._act_and_pass_on(number, frame))

    async def _act_and_pass_on(self, number: int, frame: FrameType | None) -> None:
        try:
            await self.act(number)
        except Exception:
            logger.exception("Saying goodbye failed", extra=fields("stop_failed"))
        finally:  # a loop that ends cancels this task, and the server is to end all the same
            self._acting_in = None
            self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous[number]
        if callable(previous):
            previous(number, frame)
        elif previous != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
