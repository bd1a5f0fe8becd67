"""The signals of the parent, as numbers in the order of their arrival."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Self

STOPPING = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*STOPPING, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """Takes the signals of this process while it is entered."""

    def __enter__(self) -> Self:
        self.reader, self._writer = os.pipe()
        for end in (self.reader, self._writer):
            os.set_blocking(end, False)
        self._had_terminal = os.isatty(0)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _ignore) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self.reader)
        os.close(self._writer)

    def read(self) -> list[int]:
        """Return the signals that have come since the last call."""
        try:
            return list(os.read(self.reader, 1024))
        except BlockingIOError:
            return []

    def has_lost_terminal(self) -> bool:
        """Say whether the terminal that this process was started in is closed."""
        return self._had_terminal and not os.isatty(0)


def end_by(number: int) -> None:
    """End this process by the signal *number*, as if it had no handler."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the first process of a container does not end by a signal of its own


def _ignore(number: int, frame: FrameType | None) -> None:
    """Python has already written the number to the pipe."""
