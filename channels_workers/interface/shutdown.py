"""Lets an application act on SIGTERM and SIGINT before its server program does.

On these signals Daphne and uvicorn end the coroutines of sockets, each in its own way and order.
Daphne sometimes ends none of them, and sends no close frame.
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
    """Runs *act* with the number of the first signal; then the server gets the signal.

    Meanwhile a SIGINT goes to the server at once. A second SIGTERM is ignored as a duplicate: a
    supervisor sends it to all processes, and a parent among them sends it to its children too.
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
        """Install handlers before those of the server, which it has set by its first request.

        Python allows this in the main thread alone. Django's autoreloader runs the server in
        another one, so there the server alone acts on signals.
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
            logger.exception("Shutting down failed", extra=fields("stop_failed"))
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
