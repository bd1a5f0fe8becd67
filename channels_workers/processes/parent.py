"""The parent of a worker process, as the worker sees it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Self

from channels_workers.concurrency.threads import Duty
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Tells a worker the file descriptor of the socket to its parent, its number, and how many there
#: are: ``7:2:4``.
VARIABLE = "CHANNEL_WORKERS_PARENT"


class Parent:
    """The process that has started this one as the worker *number* of *count*.

    Its end, however it comes, ends this worker in order.
    """

    def __init__(self, link: socket.socket, number: int, count: int) -> None:
        self._link = link
        self.number, self.count = number, count

    @classmethod
    def find(cls) -> Self | None:
        """Return the parent of this process, if it has one; only once."""
        if not (given := os.environ.pop(VARIABLE, "")):
            return None
        descriptor, number, count = (int(part) for part in given.split(":"))
        os.set_inheritable(descriptor, False)
        # Log lines can show it: %(processName)s.
        multiprocessing.current_process().name = f"worker-{number}"
        return cls(socket.socket(fileno=descriptor), number, count)

    def describe(self) -> str:
        """Return which of the processes this is, for the log."""
        return f"process {self.number} of {self.count} (pid {os.getpid()})"

    def begin(
        self, wait_until_ready: Callable[[], None], limit: float, stop: Callable[[], None]
    ) -> None:
        """Tell the parent when this worker is ready, and call *stop* when it is to end.

        *limit* is how long the worker may take to stop (s).
        """

        def tell_ready() -> None:
            wait_until_ready()
            self._tell(f"ready {limit}")

        def wait_for_stop() -> None:
            if not self._is_asked():
                text = "The parent process is gone, so this worker stops"
                logger.warning(text, extra=fields("parent_gone"))
            stop()

        Duty("ready for the parent", tell_ready).start()
        Duty("word of the parent", wait_for_stop).start()

    def close(self) -> None:
        """Close the socket."""
        self._link.close()

    def tell_changed(self) -> None:
        """Tell the parent that the code has changed."""
        self._tell("changed")

    def _tell(self, line: str) -> None:
        try:
            self._link.sendall(f"{line}\n".encode())
        except OSError:  # the parent is gone, which the other thread notices
            logger.debug("The parent process does not listen")

    def _is_asked(self) -> bool:
        try:
            return bool(self._link.recv(1))
        except OSError:
            return False
