"""Shows on a terminal which file is being read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TextIO

#: Back to the beginning of the line, and erase it.
_ERASE = "\r\x1b[2K"


class Progress:
    """A line that counts the files; nothing, if *stream* is no terminal.

    *interval*: the seconds between two changes of the line. A short run shows none.
    """

    def __init__(self, stream: TextIO, interval: float = 0.2) -> None:
        self.stream = stream
        self.interval = interval
        self.files = 0
        self._is_shown = False
        self._next = time.monotonic() + interval if stream.isatty() else float("inf")

    def show(self, path: Path) -> None:
        """Count a file, and show it if it is time for that."""
        self.files += 1
        if time.monotonic() >= self._next:
            from shutil import get_terminal_size  # noqa: PLC0415  (a run that needs it not starts sooner)

            line = f"{self.files} files, now {path}"[: get_terminal_size().columns - 1]
            self._write(f"{_ERASE}{line}")
            self._next, self._is_shown = time.monotonic() + self.interval, True

    def clear(self) -> None:
        """Remove the line."""
        if self._is_shown:
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
