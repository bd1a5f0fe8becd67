"""Between the transport of a client and its server: what came is handed on in small pieces.

A server reads up to 256 KiB at once and makes frames of all of it, which may be 40,000 empty ones,
or, compressed, 256 MiB. So it gets small pieces. The next one follows when the application has
taken what the last one held. A client that is held back gets nothing through, and its transport
does not read either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from channels_workers.interface.servers.turns import turns
from channels_workers.interface.types import Event, Receive
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)
episodes = Episodes()

#: How much a server gets at once (bytes). Larger data are handed on piece by piece, in turns.
PIECE = 2 * 1024

#: How much is kept of a client that sends before its handshake is answered (bytes).
EARLY = 64 * 1024

#: How many fragments a message may have.
FRAGMENTS = 4096


class Gate:
    """The gate of one connection; this one is always open, for servers that nothing is known of.

    *heard* is called when the client sends and has not read what was written, such as pongs, and
    *broken* when a message of it has too many fragments.
    """

    __slots__ = (
        *("_at", "_broken", "_heard", "_is_handing", "_is_open", "_piece_size", "_waits"),
        *("is_held", "is_paused", "rest"),
    )

    #: Whether a client can be held back.
    can_hold = False

    def __init__(self, heard: Callable[[], object], broken: Callable[[], object]) -> None:
        self.is_held = self.is_paused = False
        self.rest, self._at = b"", 0  # what was read, and how much of it was handed on
        self._heard, self._broken = heard, broken
        self._is_open = self._waits = self._is_handing = False
        self._piece_size = PIECE

    def take(self, data: bytes) -> None:
        """Take what came from the client: all of it at once where that is possible."""
        is_small = not self.rest and len(data) <= self._piece_size
        if is_small and self._is_open and not self.is_held and not self._is_busy():
            if self._handed_on(data) and self.is_paused:
                self._read_or_pause()
            return
        self.rest = self.rest[self._at :] + data if self.rest else data
        self._at = 0
        self.go_on()

    def open(self) -> None:
        """Note that the handshake is accepted: data that came after it may be handed on."""
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

    def go_on(self, has_turn: bool = False) -> None:
        """Hand on what was read, as long as the application has taken what came before.

        It *has_turn* for the first piece if it has waited for that. A frame on its direct way to
        its socket may call this while its piece is handed on, which goes on by itself.
        """
        if self._is_handing:
            return
        while self.rest and self._is_open and not self.is_held and not self._is_busy():
            if not (has_turn or self._has_turn()):
                break
            has_turn = False
            at, self._at = self._at, self._at + self._piece_size
            piece = self.rest[at : self._at]
            if self._at >= len(self.rest):
                self.rest = b""
            if not self._handed_on(piece):
                return
        self._read_or_pause()

    def _has_turn(self) -> bool:
        if not self._waits and turns.may_go_on():
            return True
        if not self._waits:
            self._waits = True
            turns.wait(self)
        return False

    def come_back(self) -> None:
        """Hand on the next piece, in a new turn of the event loop."""
        self._waits = False
        if self._is_open:
            self.go_on(has_turn=True)

    def _handed_on(self, piece: bytes) -> bool:
        """Let the server take *piece*; return False if it failed on it."""
        self._is_handing = True
        try:
            self._hand_on(piece)
        except Exception as error:  # noqa: BLE001  (the server's own; it must harm this client alone)
            self._note_failure(error)
            return False
        finally:
            self._is_handing = False
        self._look()
        return True

    def _note_failure(self, error: Exception) -> None:
        text = "A server failed on what a client sent, whose connection is cut: %s"
        extra = fields("server_failed")
        episodes.log(logger, logging.ERROR, text, type(error).__name__, extra=extra)
        self.shut()
        self._cut()

    def _look(self) -> None:
        if self.unsent():
            self._heard()
        if self._fragments() > FRAGMENTS:
            self._broken()

    def _read_or_pause(self) -> None:
        is_too_early = not self._is_open and len(self.rest) > EARLY
        if self.is_held or is_too_early or (self._is_open and self.rest):
            self._pause()
        elif self.is_paused:
            self.is_paused = False
            self._resume()

    def _pause(self) -> None:
        self.is_paused = True
        self._stop_reading()

    def shut(self) -> None:
        """Hand on nothing any more."""
        self._is_open, self.rest = False, b""

    def end(self) -> None:
        """Hand on what came while the application had not taken the end yet.

        It may be the close frame of the client, for which uvicorn waits for ten seconds.
        """
        if self.rest:
            self.go_on()

    # What each server has of its own

    def hand_frames_to(self, take: Callable[[Event], object], receive: Receive) -> None:
        """Hand each frame to *take* at once, without the task that awaits *receive*.

        A server that cannot do that, or whose *receive* has something around it, goes on as before.
        """

    def descriptor(self) -> int:
        """Return the file descriptor of the connection; -1 if it has none."""
        return -1

    def unsent(self) -> int:
        """Return how many bytes were written that the client has not read."""
        return 0

    def _fragments(self) -> int:
        return 0

    def _is_busy(self) -> bool:
        """Say whether the application has not taken yet what it was handed."""
        return False

    def _hand_on(self, data: bytes) -> None:
        """Let the server take *data*."""

    def _stop_reading(self) -> None:
        """Read nothing of the client."""

    def _resume(self) -> None:
        """Read what the client sends."""

    def _cut(self) -> None:
        """Drop the connection."""

    def _expect_pongs(self, is_expected: bool) -> None:
        """Cut a client that answers no pings, or do not."""
