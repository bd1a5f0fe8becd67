"""Seats for running consumers, of which a process with several lanes has as many as threads."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


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


class Sitting:
    """One run of a consumer, which begins with one of *seats*; thread-safe.

    Coroutines of it may wait at the same time, and left-over ones after its end.
    """

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self._lock = threading.Lock()
        self._has_seat, self._is_over = True, False
        self._waiting = 0

    @contextmanager
    def left(self) -> Iterator[None]:
        """Leave the seat to others in a ``with`` block, and wait for one at its end."""
        with self._lock:
            self._waiting += 1
            self._leave()
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                must_wait = self._may_sit()
            if must_wait:
                self._sit_down()

    def end(self) -> None:
        """Leave the seat for good."""
        with self._lock:
            self._is_over = True
            self._leave()

    def _sit_down(self) -> None:
        self._seats.take(math.inf)
        with self._lock:
            if self._may_sit():
                self._has_seat = True
                return
        self._seats.give_back()

    def _may_sit(self) -> bool:
        return not (self._has_seat or self._is_over or self._waiting)

    def _leave(self) -> None:
        if self._has_seat:
            self._has_seat = False
            self._seats.give_back()
