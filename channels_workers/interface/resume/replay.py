"""The frames that a client may not have received: kept until it says so, within limits."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

from channels_workers.interface.actions import Accept, ClientAction, SendFrame
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.outgoing import Outgoing
from channels_workers.interface.resume import wire
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: What Python needs for a kept frame, beside its text or bytes (bytes). Members of a group share
#: the frame, and each is charged for all of it.
KEPT_COST = 120

FULL = (
    "Resumable sockets keep more than ALL_RESUME_BYTES of sent frames: each keeps at most %d bytes "
    "now. Clients that resume may get a gap. Raise it, or lower RESUME_BYTES. This is logged once"
)


class Replays:
    """The replay buffers of all sockets of one server."""

    def __init__(self) -> None:
        self.taken = 0
        self._known: set[Replay] = set()
        self._is_logged = False

    def add(self, replay: Replay) -> None:
        """Count *replay* among those that share the memory."""
        self._known.add(replay)

    def discard(self, replay: Replay) -> None:
        """Count it no more."""
        self._known.discard(replay)

    def make_room(self, limit: int) -> None:
        """Leave each buffer an equal share of three quarters of *limit* (bytes)."""
        share = limit * 3 // 4 // max(1, len(self._known))
        for each in self._known:
            each.cut_down_to(share)
        if not self._is_logged:
            self._is_logged = True
            logger.warning(FULL, share, extra=fields("resume_memory"))


class Replay:
    """The newest frames sent to one client, and how many were *sent* in all.

    It keeps up to *limit* bytes, and all buffers together up to *for_all*.
    """

    __slots__ = ("_before", "_for_all", "_frames", "_limit", "_replays", "_size")

    def __init__(self, replays: Replays, limit: int, for_all: int) -> None:
        self._replays = replays
        self._limit, self._for_all = limit, for_all
        self._before = 0  # frames that were sent, and are not kept
        self._frames: deque[SendFrame] = deque()
        self._size = 0
        replays.add(self)

    @property
    def sent(self) -> int:
        """The number of the newest frame, from 1 on."""
        return self._before + len(self._frames)

    def append(self, frame: SendFrame) -> None:
        """Keep a frame, and forget the oldest that are too many."""
        self._frames.append(frame)
        cost = KEPT_COST + frame.length
        self._size += cost
        self._replays.taken += cost
        if self._size > self._limit:
            self.cut_down_to(self._limit)
        if self._replays.taken > self._for_all:
            self._replays.make_room(self._for_all)

    def cut_down_to(self, size: int) -> None:
        """Forget the oldest frames until the others have *size* bytes at most."""
        while self._size > size:
            cost = KEPT_COST + self._frames.popleft().length
            self._before += 1
            self._size -= cost
            self._replays.taken -= cost

    def after(self, received: int) -> tuple[list[SendFrame], bool]:
        """Return the kept frames after number *received*, and whether others are missing."""
        skipped = received - self._before
        frames = list(self._frames)[max(0, skipped) :]
        return frames, not 0 <= skipped <= len(self._frames)

    def restart(self, received: int) -> None:
        """Keep nothing; the next frame is the one after number *received*."""
        self.cut_down_to(0)
        self._before = received

    def end(self) -> None:
        """Keep nothing any more."""
        self.cut_down_to(0)
        self._replays.discard(self)


class ReplayedOutgoing:
    """The way to the client of a resumable socket: what goes out is kept, with a client or without.

    While it *is_held*, frames are kept only: the client that is back has not been accepted yet.
    """

    def __init__(self, replay: Replay, line: Outgoing | None = None, is_held: bool = False) -> None:
        self.replay = replay
        self.line = line
        self.is_held = is_held

    def put(self, action: ClientAction) -> None:
        """Send the event of *action*, and keep it if it is a frame that counts."""
        if isinstance(action, SendFrame):
            if not _is_own(action):
                self.replay.append(action)
            if self.is_held:
                return
        elif isinstance(action, Accept):
            self.is_held = False
        if self.line is not None:
            self.line.put(action)

    def put_shared(self, shared: SharedFrame) -> None:
        """Send a frame that other members of a group get, too, and keep it if it counts."""
        if not _is_own(shared.frame):
            self.replay.append(shared.frame)
        if self.line is not None and not self.is_held:
            self.line.put_shared(shared)

    def clear(self) -> None:
        """Send nothing of what waits in the line."""
        if self.line is not None:
            self.line.clear()

    def cut(self) -> None:
        """Drop the connection."""
        if self.line is not None:
            self.line.cut()


def _is_own(frame: SendFrame) -> bool:
    text = frame.event.get("text")
    return isinstance(text, str) and text.startswith(wire.OWN_FRAME)


def to_contents(frames: Sequence[SendFrame]) -> list[dict[str, str | bytes]]:
    """Return what another server needs to send *frames*."""
    keys = ("text", "bytes")
    return [{key: frame.event[key] for key in keys if key in frame.event} for frame in frames]
