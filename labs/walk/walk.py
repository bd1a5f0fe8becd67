"""Walks: the calls that one frame causes, from its socket to both sockets of the room."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import channels_workers
from channels_workers.layers.base import WorkerLayer
from labs.walk.recorder import Call, Recorder
from labs.walk.room import Room

ENGINE = Path(channels_workers.__file__).parent

#: The threads of the sockets' event loop and of the worker. Others, such as heartbeats, are left
#: out.
THREADS = ("MainThread", "worker ")

#: Frames before the first recorded one, and recorded frames.
WARM_UP, FRAMES = 10, 20

#: A walk has ended after this time without a call (s).
SILENCE = 0.05


async def walk(make_layer: Callable[[], WorkerLayer]) -> list[Call]:
    """Return the most common walk of a frame, because heartbeats are in some of them."""
    recorder = Recorder(ENGINE, THREADS)
    recorder.install()
    room = Room(make_layer)
    try:
        await room.open()
        for number in range(WARM_UP):
            await room.talk(f"warm-up {number}")
        walks = [await _walk_once(recorder, room, f"frame {number}") for number in range(FRAMES)]
        await room.close()
    finally:
        recorder.uninstall()
    (common, _), *_ = Counter(map(len, walks)).most_common()
    return next(walk for walk in walks if len(walk) == common)


async def _walk_once(recorder: Recorder, room: Room, text: str) -> list[Call]:
    await asyncio.sleep(SILENCE)
    recorder.start()
    await room.talk(text)
    before = -1
    while before != len(recorder.calls):
        before = len(recorder.calls)
        await asyncio.sleep(SILENCE)
    return recorder.stop()
