"""The event loop of a worker process."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Coroutine
from typing import Any

from channels_workers.concurrency.futures import call_in
from channels_workers.concurrency.threads import Duty
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How long left-over tasks of consumers have to end after they are cancelled (s).
CANCEL_TIMEOUT = 2.0


class ConsumerTimedOut(TimeoutError):
    """Raised in place of the cancellation of a coroutine that exceeds ``CONSUMER_TIMEOUT``."""


class CoroutineRun:
    """The run of one *coroutine*, for which a thread waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.task: asyncio.Task[Any] | None = None
        #: The time-out that has ended it (s).
        self.limit: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether its code runs at this moment, so that the loop can do nothing else."""
        return bool(getattr(self.coroutine, "cr_running", False))

    def cancel(self) -> None:
        """Cancel its task, in the event loop."""
        if self.task is not None:
            self.task.cancel()


class EventLoop:
    """The event loop for ``async def`` consumers of a worker process, in a thread of its own."""

    def __init__(self) -> None:
        #: What runs, by the thread that waits for it.
        self.runs: dict[int, CoroutineRun] = {}
        self._asked: float | None = None  # monotonic seconds; None if it has answered
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopped = False
        self.thread = Duty("consumers' event loop", self._run)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run *coroutine* in the loop and return its result; the first call starts the loop."""
        run, loop, thread = CoroutineRun(coroutine), self._started(), threading.get_ident()
        self.runs[thread] = run
        try:
            return asyncio.run_coroutine_threadsafe(_harmless(run), loop).result()
        finally:
            del self.runs[thread]

    def time_out(self, thread: int, limit: float) -> bool:
        """Cancel the coroutine that *thread* waits for, after *limit* seconds.

        Return False if there is none. The thread gets :class:`ConsumerTimedOut`, unless the
        coroutine catches its cancellation.
        """
        run, loop = self.runs.get(thread), self._loop
        if run is None or loop is None:
            return False
        run.limit = limit
        return call_in(loop, run.cancel)

    def blocked_for(self) -> float:
        """Return for how long the loop has not answered (s), and ask it again."""
        asked, loop = self._asked, self._loop
        if asked is not None:
            return time.monotonic() - asked
        if loop is not None:
            self._asked = time.monotonic()
            if not call_in(loop, self._answer):
                self._answer()
        return 0.0

    def _answer(self) -> None:
        self._asked = None

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


async def _harmless(run: CoroutineRun) -> Any:
    run.task = asyncio.current_task()
    try:
        return await run.coroutine
    except asyncio.CancelledError as error:
        if run.limit is None:
            raise
        raise ConsumerTimedOut(f"It exceeded CONSUMER_TIMEOUT, {run.limit:g} s") from error
    except (SystemExit, KeyboardInterrupt) as error:
        raise ConsumerExit(repr(error)) from error


async def _cancel_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=CANCEL_TIMEOUT)
