"""The frames of one socket on their way to its client, kept until the client has them; no I/O."""

from __future__ import annotations

import json
from collections import deque

from channels_workers.interface.transports.wire import Frame, to_json

#: What may wait for a client to confirm it: frames, and their characters. One larger frame may wait
#: alone.
WINDOW_FRAMES, WINDOW_SIZE = 256, 64 * 1024


class Downstream:
    """Numbered frames, the first of which is 1. Those that the client has are forgotten."""

    __slots__ = ("_frames", "_size", "acknowledged", "close")

    def __init__(self) -> None:
        self.acknowledged = 0  # the number up to which the client has all
        self.close: tuple[int, str] | None = None  # code and reason, once nothing follows
        self._frames: deque[str] = deque()  # as JSON
        self._size = 0

    @property
    def last(self) -> int:
        """The number of the newest frame, 0 without one."""
        return self.acknowledged + len(self._frames)

    @property
    def has_room(self) -> bool:
        """Whether another frame may be put."""
        return len(self._frames) < WINDOW_FRAMES and self._size < WINDOW_SIZE

    def put(self, frame: Frame) -> None:
        """Take the next frame."""
        text = to_json(frame)
        self._frames.append(text)
        self._size += len(text)

    def acknowledge(self, number: int) -> bool:
        """Forget the frames up to *number*; return False if there was no such frame."""
        if number > self.last:
            return False
        while self.acknowledged < number:
            self._size -= len(self._frames.popleft())
            self.acknowledged += 1
        return True

    def knows(self, number: int) -> bool:
        """Say whether the frames after *number* are all here."""
        return self.acknowledged <= number <= self.last

    def has_after(self, number: int) -> bool:
        """Say whether there is anything after the frame *number*."""
        return number < self.last or self.close is not None

    def batch(self, number: int) -> bytes:
        """Return the frames after *number*, and the close after them, as JSON."""
        frames = list(self._frames)[number - self.acknowledged :]
        text = f'{{"first": {number + 1}, "frames": [{", ".join(frames)}]'
        if self.close is not None:
            code, reason = self.close
            text += f', "close": {json.dumps({"code": code, "reason": reason})}'
        return f"{text}}}".encode()

    def clear(self) -> None:
        """Drop what waits; numbers go on."""
        self.acknowledged = self.last
        self._frames.clear()
        self._size = 0
