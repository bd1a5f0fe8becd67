"""The limits of orphaned frames: those that wait for workers while their client has left."""

from __future__ import annotations

from channels_workers.conf import Configuration
from channels_workers.interface.backlog import PendingFrames


def bound_orphans(pending: PendingFrames, limits: Configuration) -> dict[str, int]:
    """Drop frames of a client that has just left, and count the others as orphaned.

    Return how many were dropped, by the setting whose limit they exceeded.
    """
    backlog = pending.backlog
    dropped = {"LEFT_FRAMES": pending.drop_all_but(limits.LEFT_FRAMES)}
    if backlog.orphaned_frames + len(pending.frames) > limits.LEFT_FRAMES_WAITING:
        dropped["LEFT_FRAMES_WAITING"] = pending.drop_all_but(0)
    if backlog.orphaned_bytes + pending.cost > limits.LEFT_FRAME_BYTES_WAITING:
        dropped["LEFT_FRAME_BYTES_WAITING"] = pending.drop_all_but(0)
    pending.orphan()
    return dropped
