"""Between a client's line and its server: what came is handed on in small pieces, or not yet.

A server reads up to 256 KiB at once and makes frames of all of it, which may be 40,000 empty ones,
or, compressed, 256 MiB. So it gets small pieces, the next one when the application has taken what
the last one held; and none of a client that is held back, whose line is not read either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)
episodes = Episodes()

#: How much a server gets at once (bytes).
PIECE = 16 * 1024

#: How much of a client is kept that sends before its handshake is answered (bytes).
EARLY = 64 * 1024

#: How many fragments a message may have.
FRAGMENTS = 4096


class Gate:
    """The gate of one line; this one stands open, for servers that nothing is known of.

    *heard* is called when the client sends and has not read what was written, such as pongs, and
    *broken* when a message of it has too many fragments.
    """

    __slots__ = ("_at", "_broken", "_heard", "_is_open", "_is_paused", "_rest", "is_held")

    #: Whether a client can be held back.
    can_hold = False

    def __init__(self, heard: Callable[[], object], broken: Callable[[], object]) -> None:
        self.is_held = False
        self._heard, self._broken = heard, broken
        self._is_open = self._is_paused = False
        self._rest, self._at = b"", 0  # what was read, and how much of it was handed on

    def take(self, data: bytes) -> None:
        """Take what came from the client."""
        self._rest = self._rest[self._at :] + data if self._rest else data
        self._at = 0
        self.go_on()

    def open(self) -> None:
        """Note that the handshake is accepted: what came after it may be handed on."""
        self._is_open = True
        self.go_on()

    def hold(self) -> None:
        """Read nothing more of the client for a while, and expect no answers to pings of it."""
        if not self.is_held:
            self.is_held = True
            self._expect_pongs(False)
        self._pause()

    def let_go(self) -> None:
        """Read on."""
        if self.is_held:
            self.is_held = False
            self._expect_pongs(True)
            self.go_on()

    def go_on(self) -> None:
        """Hand on what was read, as long as the application has taken what came before."""
        while self._rest and self._may_hand_on():
            at, self._at = self._at, self._at + self._piece()
            piece = self._rest[at : self._at]
            if self._at >= len(self._rest):
                self._rest = b""
            if not self._is_taken(piece):
                return
        self._read_or_pause()

    def _is_taken(self, piece: bytes) -> bool:
        try:
            self._hand_on(piece)
        except Exception as error:  # noqa: BLE001  (the server's own; it must harm this line alone)
            text = "A server failed on what a client sent, whose line is cut: %s"
            extra = fields("server_failed")
            episodes.log(logger, logging.ERROR, text, type(error).__name__, extra=extra)
            self.shut()
            self._cut()
            return False
        self._look()
        return True

    def _may_hand_on(self) -> bool:
        return self._is_open and not self.is_held and not self._is_busy()

    def _look(self) -> None:
        if self.unsent():
            self._heard()
        if self._fragments() > FRAGMENTS:
            self._broken()

    def _read_or_pause(self) -> None:
        is_too_early = not self._is_open and len(self._rest) > EARLY
        if self.is_held or is_too_early or (self._is_open and self._rest):
            self._pause()
        elif self._is_paused:
            self._is_paused = False
            self._resume()

    def _pause(self) -> None:
        self._is_paused = True
        self._stop_reading()

    def shut(self) -> None:
        """Hand on nothing any more."""
        self._is_open, self._rest = False, b""

    def end(self) -> None:
        """Note that the application takes nothing any more."""

    # What each server has of its own

    def descriptor(self) -> int:
        """Return the number of the file of the line; -1 if it has none."""
        return -1

    def unsent(self) -> int:
        """Return how many bytes were written that the client has not read."""
        return 0

    def _piece(self) -> int:
        return PIECE

    def _fragments(self) -> int:
        return 0

    def _is_busy(self) -> bool:
        """Say whether the application has not taken yet what it was handed."""
        return False

    def _hand_on(self, data: bytes) -> None:
        """Let the server take *data*."""

    def _stop_reading(self) -> None:
        """Read nothing of the line."""

    def _resume(self) -> None:
        """Read the line."""

    def _cut(self) -> None:
        """Drop the line."""

    def _expect_pongs(self, is_expected: bool) -> None:
        """Cut the line of a client that answers no pings, or do not."""
