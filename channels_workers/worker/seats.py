"""Seats for running consumers, of which a process with several lanes has as many as threads."""

from __future__ import annotations

import threading
from collections import deque


class Seats:
    """So many seats, which go to those who wait in the order in which they came."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def take(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds, perhaps for ever, for a seat; return whether it has one."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(min(timeout, threading.TIMEOUT_MAX)):
            return True
        with self._lock:
            if turn.is_set():  # it was given meanwhile
                return True
            self._waiting.remove(turn)
            return False

    def give_back(self) -> None:
        """Leave a seat to the one that has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
