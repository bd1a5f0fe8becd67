"""Sends delayed messages when they are due; every worker process does this."""

from __future__ import annotations

import logging
import math
import threading
import time

from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.base import WorkerLayer
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The longest wait between two looks (s): other processes send delayed messages, too.
LOOK_INTERVAL = 1.0

#: For how long a channel must not be full until its next log line (s).
FORGOTTEN_AFTER = 10.0


class Delays:
    """The thread of one worker process that sends what is due in *layer*.

    It wakes when the next message is due, and when this process delays another one.
    """

    def __init__(self, layer: WorkerLayer) -> None:
        self._layer = layer
        self._full: dict[str, float] = {}  # when each was full last (monotonic seconds)
        self._has_ended = False
        self._woken = threading.Event()
        self.thread = Duty("delays", self._run)

    def start(self) -> None:
        """Start the thread."""
        self._layer.delay_listeners.add(self._wake_for)
        self.thread.start()

    def end(self) -> None:
        """Send nothing more."""
        self._has_ended = True
        self._layer.delay_listeners.discard(self._wake_for)
        self._woken.set()

    def stop(self, deadline: float = math.inf) -> bool:
        """Stop; return whether the thread ended by *deadline* (monotonic seconds)."""
        self.end()
        return self.thread.ends_by(deadline)

    def _wake_for(self, delay: float) -> None:
        if delay < LOOK_INTERVAL:  # else the next look is early enough
            self._woken.set()

    def _run(self) -> None:
        # The heartbeat meets the same outage and logs it.
        what, level = "Sending delayed messages", logging.DEBUG
        attempts = Backoff(logger, what, LOOK_INTERVAL, log_level=level)
        while not self._has_ended:
            self._woken.clear()
            try:
                wait = self.look(time.monotonic())
            except Exception as error:  # noqa: BLE001  (logged; the thread must go on)
                wait = attempts.failed(error)
            else:
                attempts.succeeded()
            if not self._has_ended:
                self._woken.wait(wait)

    def look(self, now: float) -> float:
        """Send what is due; return how long to wait for more (s).

        Raises :class:`LayerUnavailable` if the layer is unavailable.
        """
        due = self._layer.admin.send_due()
        self._note_full(due.full, now)
        return LOOK_INTERVAL if due.wait is None else min(due.wait, LOOK_INTERVAL)

    def _note_full(self, channels: tuple[str, ...], now: float) -> None:
        recent = now - FORGOTTEN_AFTER
        self._full = {channel: at for channel, at in self._full.items() if at > recent}
        for channel in channels:
            if channel not in self._full:
                text = "Channel %s is full, so messages that are due wait longer. Run more workers"
                extra = fields("delay_extended", channel=channel)
                logger.warning(f"{text} for it, or raise its capacity.", channel, extra=extra)
            self._full[channel] = now
