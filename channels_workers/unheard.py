"""Warns of sends to channels that nothing listens to, as after a typing error in a name."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

from channels_workers.concurrency import forks
from channels_workers.concurrency.threads import Duty
from channels_workers.django_parts import is_in_tests
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: How many names of channels a process looks at, each once.
NAMES = 1_000

#: Each returns the channels that the routing of this process names.
routed: list[Callable[[], Iterable[str]]] = []

TEXT = (
    "This process sends to the channel %s, and nothing listens to it: no live worker, and no route "
    "of CHANNEL_ROUTING. Its messages wait. Is the name right? This is logged once for a name"
)


def look_for_listeners(layer: WorkerLayer, channel: str) -> None:
    """Log if nothing listens to *channel*, once, soon.

    Not in tests, which send to channels that no worker serves.
    """
    if len(layer.looked_at) >= NAMES or is_in_tests():
        return
    layer.looked_at.add(channel)
    look = partial(_look, layer, channel)
    if layer.local_only:
        layer.note_unheard()
        look()
    else:  # a view must not wait for it, and nor must an event loop
        _looks.add(look)


class _Looks:
    """Looks that wait for one thread, which ends when none is left."""

    def __init__(self) -> None:
        self.begin_in_child()
        forks.renew_in_child(self)

    def begin_in_child(self) -> None:
        """Begin without a thread, which a child does not inherit."""
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_running = False

    def add(self, look: Callable[[], None]) -> None:
        """Let the thread call *look* soon."""
        with self._lock:
            self._waiting.append(look)
            if self._is_running:
                return
            self._is_running = True
        Duty("looking for listeners", self._run).start()

    def _run(self) -> None:
        while (look := self._next()) is not None:
            look()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            self._is_running = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None


_looks = _Looks()


def _look(layer: WorkerLayer, channel: str) -> None:
    try:
        if channel in layer.admin.listened():
            return
        import_module("channels_workers.routing")  # which is in `routed`; a program may not need it
        known = {name for names in routed for name in names()}
    except LayerUnavailable:  # the send reports it
        layer.looked_at.discard(channel)
    except Exception as error:  # noqa: BLE001  (a routing that cannot be used is reported elsewhere)
        logger.debug("Nobody knows who listens to %s: %s", channel, described(error))
    else:
        if channel not in known:
            logger.warning(TEXT, channel, extra=fields("channel_unknown", channel=channel))
