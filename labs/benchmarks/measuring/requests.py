"""Counts the requests of processes to Redis with MONITOR.

Commands inside scripts are not counted, as they cost no round trip. Blocking reads count when they
are sent.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Self

from labs.benchmarks.load.report import Report

LINE = re.compile(rb'\+(?P<at>\d+\.\d+) \[\d+ (?P<by>[^\]]+)\] "(?P<command>\w+)"')

#: Commands of the load itself, about Redis.
NOT_OURS = frozenset({b"info", b"client", b"hello"})


class RequestCounter:
    """Counts the requests to the Redis on *port* during a `with` block."""

    def __init__(self, port: int) -> None:
        self.times: list[float] = []
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._read, name="monitor", daemon=True)

    def __enter__(self) -> Self:
        self._socket.sendall(b"MONITOR\r\n")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        # Redis may reset a closed connection that still has pending output.
        with suppress(ConnectionResetError), self._socket.makefile("rb") as lines:
            for line in lines:
                if (at := time_of_request(line)) is not None:
                    self.times.append(at)

    def between(self, start: float, end: float) -> int:
        """Return how many requests came between two times of ``time.time()``."""
        return sum(start <= at < end for at in self.times)

    def report(self, report: Report) -> None:
        """Add the requests per message to *report*, without background requests."""
        quiet = report.idle[1] - report.idle[0]
        seconds = report.window[1] - report.window[0]
        anyway = self.between(*report.idle) / quiet * seconds
        messages = report.figures["messages_per_s"] * seconds
        if messages:
            requests = (self.between(*report.window) - anyway) / messages
            report.figures["requests_per_message"] = requests


def time_of_request(line: bytes) -> float | None:
    """Return the time of a request in a *line* of MONITOR. None if it is not of our processes."""
    found = LINE.match(line)
    if found is None or found["by"] == b"lua" or found["command"].lower() in NOT_OURS:
        return None
    return float(found["at"])
