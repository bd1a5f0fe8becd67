"""What the sockets of one server hold for workers, counted together."""

from __future__ import annotations


class Backlog:
    """The memory that frames take until workers have finished them, and frames left behind.

    Each socket's protocol keeps the counts up to date; the limits are settings of the same meaning.
    """

    __slots__ = ("orphaned_bytes", "orphaned_frames", "taken")

    def __init__(self) -> None:
        self.taken = 0  # memory of all frames that wait for workers or are in flight
        self.orphaned_frames = 0  # frames that wait, of clients that have left
        self.orphaned_bytes = 0  # the memory that these take
