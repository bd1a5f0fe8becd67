"""The event loop of a worker process."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Coroutine
from typing import Any

from channels_workers.concurrency.threads import Duty
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How long left-over tasks of consumers have to end after they are cancelled (s).
CANCEL_TIMEOUT = 2.0


class EventLoop:
    """The event loop for ``async def`` consumers of a worker process, in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopped = False
        self.thread = Duty("consumers' event loop", self._run)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run *coroutine* in the loop and return its result; the first call starts the loop."""
        return asyncio.run_coroutine_threadsafe(_harmless(coroutine), self._started()).result()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self.thread.start()
            return self._loop

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101  (for the type checker)
        while not self._is_stopped:
            try:
                loop.run_forever()
            except BaseException as error:  # others wait for their coroutines here
                text, kind = "A left-over task of a consumer raised %s", type(error).__name__
                logger.error(text, kind, exc_info=error, extra=fields("consumer_failed"))
        try:
            loop.run_until_complete(_cancel_all())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def stop(self, deadline: float = math.inf) -> bool:
        """Cancel left-over tasks and end the loop; return whether it ended by *deadline*.

        *deadline* is in monotonic seconds.
        """
        with self._lock:
            if self._loop is None:
                return True
            self._is_stopped = True
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._loop.stop)
        return self.thread.ends_by(deadline)


class ConsumerExit(Exception):
    """Raised for ``sys.exit()`` in a coroutine, which must not end the event loop."""


async def _harmless(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        raise ConsumerExit(repr(error)) from error


async def _cancel_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=CANCEL_TIMEOUT)
