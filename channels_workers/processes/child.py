"""A worker process, as its parent sees it."""

from __future__ import annotations

import math
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

from channels_workers.processes.parent import VARIABLE

#: How long a worker may take to end before it is ready, and beyond what it has asked for (s).
MARGIN = 10.0


class Child:
    """A process that was started as the worker *number*."""

    def __init__(self, number: int, process: subprocess.Popen[bytes], link: socket.socket) -> None:
        self.number = number
        self.began = time.monotonic()
        self.is_ready = False
        #: Set when it has seen changed code, until the parent has taken note.
        self.has_changed = False
        #: When it will be killed (monotonic seconds), once it was asked to stop.
        self.kill_at = math.inf
        #: Whether it was ready when it was asked to stop.
        self.was_ready = False
        self._process = process
        self._link: socket.socket | None = link
        self._limit = 0.0
        self._said = b""

    @classmethod
    def start(
        cls, command: Sequence[str], environment: Mapping[str, str], number: int, count: int
    ) -> Self:
        """Start *command* as the worker *number* of *count*; OSError if that is impossible."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            given = {**environment, VARIABLE: f"{descriptor}:{number}:{count}"}
            try:
                process = subprocess.Popen(command, env=given, pass_fds=[descriptor])  # noqa: S603
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        return cls(number, process, ours)

    def __str__(self) -> str:
        return f"Worker process {self.number} (pid {self._process.pid})"

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self.kill_at < math.inf

    @property
    def link(self) -> socket.socket | None:
        """The socket to it, while both ends are open."""
        return self._link

    def listen(self) -> None:
        """Take note of what it has said."""
        with suppress(BlockingIOError):
            while self._link is not None:
                if not (data := self._receive(self._link)):
                    self.close()
                *lines, self._said = (self._said + data).split(b"\n")
                for line in lines:
                    self._note(line.decode())

    def _receive(self, link: socket.socket) -> bytes:
        try:
            return link.recv(4096)
        except ConnectionError:
            return b""

    def _note(self, line: str) -> None:
        word, _, limit = line.partition(" ")
        if word == "ready":
            self.is_ready, self._limit = True, float(limit)
        else:
            self.has_changed = True

    def stop(self) -> None:
        """Ask it to stop; a second call changes nothing."""
        if self.is_stopping:
            return
        self.kill_at = time.monotonic() + self._limit + MARGIN
        self.was_ready = self.is_ready
        # No signal: systemd and Heroku send one to each process, and a second ends it at once.
        if not (self.is_ready and self._tell_to_stop()):
            self._process.terminate()

    def _tell_to_stop(self) -> bool:
        if self._link is None:
            return False
        try:
            return bool(self._link.send(b"s"))
        except OSError:  # it has closed the socket
            return False

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Close the socket to it."""
        if self._link is not None:
            self._link.close()
            self._link = None


def described(status: int) -> str:
    """Return what an exit *status* says, such as ``was killed by SIGKILL``."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal
        name = f"signal {-status}"
    return f"was killed by {name}"
