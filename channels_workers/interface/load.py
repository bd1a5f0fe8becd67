"""The load of all workers as JSON, for autoscalers, at ``LOAD_PATH``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from channels_workers.concurrency.futures import call_in, settle
from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import LayerUnavailable
from channels_workers.interface.probes import send_json
from channels_workers.interface.types import Receive, Scope, Send
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.status import Numbers, load_of
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: For how long a result is cached (s).
SHARED_FOR = 1.0

#: How long the layer may take before the answer is given without it (s).
TIMEOUT = 5.0


class Load:
    """The load page of one interface server. The layer is asked once at a time."""

    def __init__(self, layer: Callable[[], WorkerLayer]) -> None:
        self.get_layer = layer
        self._task: asyncio.Task[Numbers | None] | None = None
        self._began = 0.0

    async def page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the numbers, or with 503 if the layer does not give them."""
        found = await self._numbers()
        status = 503 if found is None else 200
        told: dict[str, Any] = {"status": "unavailable"} if found is None else {**found}
        await send_json(scope, send, status, told)

    async def _numbers(self) -> Numbers | None:
        now = time.monotonic()
        task = self._task
        if task is None or (task.done() and now - self._began > SHARED_FOR):
            self._began = now
            task = self._task = asyncio.create_task(self._look())
        await asyncio.wait([task], timeout=TIMEOUT)
        return task.result() if task.done() else None

    async def _look(self) -> Numbers | None:
        """Ask the layer in a daemon thread that never delays the end of the process."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Numbers | None] = loop.create_future()
        Duty("load", lambda: call_in(loop, settle, found, self._look_now())).start()
        return await found

    def _look_now(self) -> Numbers | None:
        try:
            return load_of(self.get_layer().admin.status())
        except LayerUnavailable:  # which others log
            return None
        except Exception:
            logger.exception("The load cannot be read", extra=fields("load_failed"))
            return None
