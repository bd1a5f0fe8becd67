"""Records the requests of one connection to Redis, if this process has metrics."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from channels_workers import recorder
from channels_workers.layers.redis.requests import Request

if TYPE_CHECKING:
    from channels_workers.metrics.layer import LayerInstruments


class Meter:
    """The instruments of a connection; *instruments* is None without metrics."""

    instruments: LayerInstruments | None = None

    def __init__(self) -> None:
        self._was_open = False
        self.began = 0.0  # of the last write (monotonic seconds)

    def opened(self) -> None:
        """Note that the connection is open, perhaps again."""
        found = recorder.instruments()
        self.instruments = found.layer if found else None
        if self._was_open and self.instruments is not None:
            self.instruments.reconnected()
        self._was_open = True

    def answered(self, requests: Sequence[Request]) -> None:
        """Note that *requests*, written at *began*, are answered now. Needs *instruments*."""
        if self.instruments is not None:
            seconds = time.monotonic() - self.began
            messages = sum(each.messages for each in requests)
            self.instruments.answered((each.script for each in requests), seconds, messages)

    def answered_by(self, requests: Sequence[Request], replies: list[Any] | Exception) -> None:
        """Do the same for those that Redis has run; others may be written again."""
        if not isinstance(replies, Exception):
            pairs = zip(requests, replies, strict=True)
            self.answered([each for each, reply in pairs if not isinstance(reply, Exception)])
