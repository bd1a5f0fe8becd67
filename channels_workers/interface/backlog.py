"""What waits in a server: frames for workers, and messages that came before an answer."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from channels_workers.layers.codec import Content


class Backlog:
    """The memory that frames take until workers have finished them, and orphaned frames.

    It counts the sockets of one server together. The limits are settings of the same meaning.
    """

    __slots__ = ("early", "frames", "orphaned_bytes", "orphaned_frames", "taken")

    def __init__(self) -> None:
        self.early = EarlyMessages()
        self.taken = 0  # memory of all frames that wait for workers or are in flight
        self.frames = 0  # these frames
        self.orphaned_frames = 0  # frames that wait, of clients that have left
        self.orphaned_bytes = 0  # the memory that these take


class EarlyMessages:
    """Messages to groups that sockets hold until their handshakes are answered.

    *size* is that of all of them (bytes, or characters). Members of a group hold the same content,
    which counts once.
    """

    __slots__ = ("_holders", "size")

    def __init__(self) -> None:
        self._holders: dict[int, int] = {}  # by the id of the content
        self.size = 0

    def hold(self, content: Content, size: int) -> None:
        """Count that one more socket holds *content*."""
        holders = self._holders.get(id(content), 0)
        self._holders[id(content)] = holders + 1
        if not holders:
            self.size += size

    def drop(self, content: Content, size: int) -> None:
        """Count that one socket less holds *content*."""
        holders = self._holders.pop(id(content))
        if holders > 1:
            self._holders[id(content)] = holders - 1
        else:
            self.size -= size


class Frame(NamedTuple):
    """A frame that waits for a worker: its message, its bytes on the wire, its memory.

    *received* is when it came (monotonic s), with metrics or tracing.
    """

    content: Content
    size: int
    cost: int
    received: float = 0.0


#: The frames of all sockets that never had one waiting: an empty deque has 624 bytes.
NO_FRAMES: deque[Frame] = deque(maxlen=0)


class PendingFrames:
    """The frames of one socket that wait for a worker, in order.

    *frames*, *size* (bytes on the wire) and *cost* (bytes of memory) are for others to read.
    """

    __slots__ = ("_orphaned_bytes", "_orphaned_frames", "backlog", "cost", "frames", "size")

    def __init__(self, backlog: Backlog) -> None:
        self.backlog = backlog
        self.frames = NO_FRAMES
        self.size = self.cost = 0
        self._orphaned_frames = self._orphaned_bytes = 0  # what the backlog counts of it as such

    def append(self, frame: Frame) -> None:
        """Add a frame; the backlog counts its memory already."""
        if self.frames is NO_FRAMES:
            self.frames = deque()
        self.frames.append(frame)
        self.size += frame.size
        self.cost += frame.cost

    def popleft(self) -> Frame:
        """Take the oldest frame; the backlog counts its memory until a worker has finished it."""
        frame = self.frames.popleft()
        self.size -= frame.size
        self.cost -= frame.cost
        self._recount()
        return frame

    def drop_newest(self) -> None:
        """Drop the newest frame."""
        frame = self.frames.pop()
        self.size -= frame.size
        self.cost -= frame.cost
        self.backlog.taken -= frame.cost
        self.backlog.frames -= 1
        self._recount()

    def drop_all_but(self, count: int) -> int:
        """Drop the frames behind the first *count*; return how many were dropped."""
        dropped = max(0, len(self.frames) - count)
        for _ in range(dropped):
            self.drop_newest()
        return dropped

    def orphan(self) -> None:
        """Count the frames as orphaned from now on: the client has left."""
        backlog, frames, cost = self.backlog, len(self.frames), self.cost
        backlog.orphaned_frames += frames - self._orphaned_frames
        backlog.orphaned_bytes += cost - self._orphaned_bytes
        self._orphaned_frames, self._orphaned_bytes = frames, cost

    def reclaim(self) -> None:
        """Count them as orphaned no more: the client is back."""
        self.backlog.orphaned_frames -= self._orphaned_frames
        self.backlog.orphaned_bytes -= self._orphaned_bytes
        self._orphaned_frames = self._orphaned_bytes = 0

    def _recount(self) -> None:
        if self._orphaned_frames:
            self.orphan()
